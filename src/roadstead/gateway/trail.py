"""What the gateway tells the trail of each request."""

from __future__ import annotations

from dataclasses import dataclass

from roadstead.access.action_data import action_details
from roadstead.audit.secrets import scrubbed
from roadstead.audit.trail import Trail
from roadstead.gateway.outcome import Outcome
from roadstead.gateway.protocols.detect import Target
from roadstead.gateway.redaction import Redact, redactions, show
from roadstead.services.operation import OPERATIONS

_READING = ("BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Search", "Simulate", "Validate")
_CREDENTIALS = frozenset({"AssumeRole", "AssumeRoleWithWebIdentity", "GetFederationToken", "GetSessionToken"})
"""Operations of STS that change nothing and whose answer is told all the same."""


@dataclass(frozen=True, slots=True)
class _Told:
    """How calls of one operation are told."""

    source: str
    name: str
    read_only: bool
    tells_result: bool
    parameters: Redact
    result: Redact


class GatewayTrail:
    """Turns outcomes into events."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._told: dict[tuple[str, str], _Told] = {}

    def tell(self, outcome: Outcome, source_ip: str, user_agent: str, request_id: str) -> None:
        """Record a request that was answered."""
        target, caller = outcome.target, outcome.caller
        told = self._how(target) if target is not None else _NOBODY
        parameters = result = None
        message = outcome.message
        if outcome.params:
            hidden: list[str] = []
            parameters = told.parameters(outcome.params, hidden)
            if message and hidden:
                message = scrubbed(message, hidden)
        if told.tells_result and outcome.result and outcome.code == "OK":
            result = told.result(outcome.result, [])
        self._trail.record(
            source=told.source,
            name=told.name,
            region=outcome.region if caller is not None else "",
            principal=caller.principal if caller is not None else None,
            arn=outcome.principal,
            claimed_key=outcome.claimed_key,
            source_ip=source_ip,
            user_agent=user_agent,
            request_id=request_id,
            read_only=told.read_only,
            account=outcome.account if caller is not None else "",
            parameters=parameters,
            response=result,
            error_code="" if outcome.code == "OK" else outcome.code,
            error_message=message,
            decisions=outcome.decisions,
        )

    def _how(self, target: Target) -> _Told:
        key = (target.service_name, target.operation_name)
        known = self._told.get(key)
        if known is None:
            known = self._told[key] = _how(target)
        return known


_NOBODY = _Told("roadstead", "UnknownOperation", read_only=True, tells_result=False, parameters=show, result=show)
"""A request for nothing that a model names."""


def _how(target: Target) -> _Told:
    name, shapes = target.operation_name, redactions(target.service)
    declared = OPERATIONS.get(f"{target.service_name}:{name}")
    details = action_details(declared.action if declared is not None else f"{target.signing_name}:{name}")
    read_only = details.access_level in ("Read", "List") if details is not None else name.startswith(_READING)
    issues = target.service_name == "sts" and name in _CREDENTIALS
    given, answered = target.operation.input_shape, target.operation.output_shape
    return _Told(
        source=target.signing_name,
        name=name,
        read_only=read_only or issues,
        tells_result=not read_only or issues,
        parameters=shapes.compile(given) if given is not None else show,
        result=shapes.compile(answered) if answered is not None else show,
    )
