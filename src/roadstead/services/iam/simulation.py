"""SimulatePrincipalPolicy and SimulateCustomPolicy: the decision, asked without a request.

One result an action, over all of its resources, and in it one for each resource that was named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from roadstead.access.held import PolicyText
from roadstead.access.resource import Resource
from roadstead.core.policy.compile import Request
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.evaluate import PolicySet
from roadstead.core.policy.positions import Position, statement_spans
from roadstead.core.policy.principals import Requester, RequesterKind
from roadstead.core.policy.simulate import Simulated, most_restrictive, simulate
from roadstead.core.policy.trace import Origin, PolicyKind, PolicySource, StatementRef
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.errors import InvalidInputException
from roadstead.services.iam.named import named_by
from roadstead.services.iam.simulated_policies import (
    Collected,
    entity_of,
    of_principal,
    passed,
    passed_boundary,
    passed_levels,
)
from roadstead.services.operation import Context, operation

_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+")
_PAGE = 100
Shape = dict[str, Any]


@operation("iam:SimulateCustomPolicy", reads=True)
async def simulate_custom_policy(ctx: Context, request: Mapping[str, Any]) -> Shape:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html."""
    policies = Collected(
        identity=passed(request["PolicyInputList"], "PolicyInputList"),
        boundary=passed_boundary(request),
        service_control=passed_levels(request),
    )
    if request.get("ResourcePolicy") and not request.get("CallerArn"):
        raise InvalidInputException("CallerArn is required when ResourcePolicy is specified.")
    return _answer(ctx, request, policies, _user(request.get("CallerArn")))


@operation("iam:SimulatePrincipalPolicy", resources=named_by("PolicySourceArn"), reads=True)
async def simulate_principal_policy(ctx: Context, request: Mapping[str, Any]) -> Shape:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html."""
    kind, _, _ = await entity_of(ctx, request["PolicySourceArn"])
    caller = request.get("CallerArn") or (request["PolicySourceArn"] if kind == "user" else None)
    if request.get("ResourcePolicy") and caller is None:
        raise InvalidInputException("CallerArn is required when ResourcePolicy is specified.")
    return _answer(ctx, request, await of_principal(ctx, request), _user(caller))


def _user(text: str | None) -> Requester:
    """The simulated caller, who must be a user; somebody of no account where none is named."""
    if text is None:
        return Requester(RequesterKind.USER)
    try:
        arn = Arn.parse(text)
    except InvalidArn as error:
        raise InvalidInputException(f"Invalid CallerArn: {text}") from error
    if arn.service != "iam" or not arn.resource.startswith("user/"):
        raise InvalidInputException(f"Invalid CallerArn: {text} is not the ARN of an IAM user.")
    return Requester(RequesterKind.USER, text, arn.account, text)


def _answer(ctx: Context, request: Mapping[str, Any], collected: Collected, caller: Requester) -> Shape:
    if request.get("ResourcePolicy"):
        source = PolicySource("ResourcePolicy", PolicyKind.RESOURCE, Origin.RESOURCE)
        collected.resource = PolicyText(request["ResourcePolicy"], source)
    given = {**_keys_of(ctx, caller), **_entries(request.get("ContextEntries") or ())}
    known = {key.lower() for key in given}
    missing = [key for key in collected.keys() if key.lower() not in known]  # noqa: SIM118 - no mapping
    asked = _Simulation(
        policies=collected.compiled(),
        texts={policy.source: policy.text for policy in collected.texts()},
        caller=caller if caller.account else replace(caller, account=ctx.account),
        context=RequestContext(given),
        owner=_account(request.get("ResourceOwner")) or caller.account or ctx.account,
        missing=missing,
    )
    names: Sequence[str] = request.get("ResourceArns") or ("*",)
    start, size = _page(request)
    actions = [_action(name) for name in request["ActionNames"]]
    results = [asked.result(action, names) for action in actions[start : start + size]]
    if start + size >= len(actions):
        return {"EvaluationResults": results, "IsTruncated": False}
    return {"EvaluationResults": results, "IsTruncated": True, "Marker": str(start + size)}


class _Simulation:
    """Everything of a simulation but the action and the resources."""

    def __init__(
        self,
        *,
        policies: PolicySet,
        texts: Mapping[PolicySource, str],
        caller: Requester,
        context: RequestContext,
        owner: str,
        missing: list[str],
    ) -> None:
        self._policies = policies
        self._spans = {source: statement_spans(text) for source, text in texts.items()}
        self._caller = caller
        self._context = context
        self._owner = owner
        self._missing = missing

    def result(self, action: str, names: Sequence[str]) -> Shape:
        """One action over all resources."""
        found = [(name, self._on(action, name)) for name in names]
        decision = most_restrictive([each.verdict.decision for _, each in found])
        deciding = next(each for _, each in found if each.verdict.decision is decision)
        everything = list(names) == ["*"]
        return {
            "EvalActionName": action,
            "EvalResourceName": names[0] if len(names) == 1 else "*",
            "EvalDecision": str(decision),
            "MatchedStatements": [self._statement(ref) for ref in deciding.matched],
            "MissingContextValues": self._missing if everything else [],
            **self._limits([each for _, each in found]),
            **({} if everything else {"EvalDecisionDetails": {}}),
            "ResourceSpecificResults": [] if everything else [self._specific(name, each) for name, each in found],
        }

    def _on(self, action: str, name: str) -> Simulated:
        account = Resource(name).account or self._owner
        request = Request(self._caller, action, name, self._context, resource_account=account)
        return simulate(request, self._policies)

    def _specific(self, name: str, found: Simulated) -> Shape:
        limits = self._limits([found])
        limits.pop("OrganizationsDecisionDetail", None)
        return {
            "EvalResourceName": name,
            "EvalResourceDecision": str(found.verdict.decision),
            "MatchedStatements": [self._statement(ref) for ref in found.matched],
            "MissingContextValues": self._missing,
            **limits,
        }

    def _limits(self, found: Sequence[Simulated]) -> Shape:
        limits: Shape = {}
        if self._policies.service_control:
            allowed = all(each.by_organization for each in found)
            limits["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": allowed}
        if self._policies.boundary is not None:
            allowed = all(each.by_boundary for each in found)
            limits["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
        return limits

    def _statement(self, ref: StatementRef) -> Shape:
        span = self._spans[ref.policy][ref.index]
        return {
            "SourcePolicyId": ref.policy.name.rpartition("/")[2],
            "SourcePolicyType": str(ref.policy.origin),
            "StartPosition": _place(span.start),
            "EndPosition": _place(span.end),
        }


def _place(position: Position) -> Shape:
    return {"Line": position.line, "Column": position.column}


def _keys_of(ctx: Context, caller: Requester) -> Shape:
    """The condition keys that follow from the caller and the time."""
    now = ctx.clock.now()
    keys: Shape = {
        "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(now.timestamp())),
    }
    if caller.arn:
        keys |= {
            "aws:PrincipalArn": caller.arn,
            "aws:PrincipalAccount": caller.account,
            "aws:PrincipalType": "User",
            "aws:username": caller.arn.rpartition("/")[2],
        }
    return keys


def _entries(entries: Sequence[Mapping[str, Any]]) -> Shape:
    found: Shape = {}
    for entry in entries:
        name, kind = entry.get("ContextKeyName", ""), str(entry.get("ContextKeyType") or "string")
        values: list[str] = list(entry.get("ContextKeyValues") or ())
        if ":" not in name:
            raise InvalidInputException(f"Invalid context key name: {name}")
        if kind.endswith("List"):
            found[name] = tuple(values)
        elif len(values) == 1:
            found[name] = values[0]
        else:
            raise InvalidInputException(f"The context key {name} of type {kind} must have exactly one value.")
    return found


def _action(name: str) -> str:
    if not _ACTION.fullmatch(name):
        raise InvalidInputException(f"Invalid action name: {name}. It must name one operation, as in iam:CreateUser.")
    return name


def _account(text: str | None) -> str | None:
    """The account of `ResourceOwner`, which is given as an ARN."""
    if not text:
        return None
    try:
        return Arn.parse(text).account or None
    except InvalidArn as error:
        raise InvalidInputException(f"Invalid ResourceOwner: {text}") from error


def _page(request: Mapping[str, Any]) -> tuple[int, int]:
    marker = str(request.get("Marker") or "0")
    if not marker.isdecimal():
        raise InvalidInputException("Invalid Marker.")
    return int(marker), int(request.get("MaxItems") or _PAGE)
