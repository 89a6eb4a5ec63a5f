"""What a link tells the trail: that somebody opened it, or tried to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from roadstead.access.decided import Decided
from roadstead.access.gatekeeper import Caller
from roadstead.agentlink.socket import Scope
from roadstead.audit.trail import Trail
from roadstead.kernel.ids import request_id

_TOLD = ("cluster", "clusterArn", "containerInstance", "containerInstanceArn", "agentVersion", "revision")
"""What of a handshake's query is told; the rest is an agent's own business."""


@dataclass(slots=True)
class Attempt:
    """One handshake, as far as it came. `action` is `ecs:Poll`."""

    trail: Trail
    scope: Scope
    action: str
    caller: Caller | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    decisions: Sequence[Decided] = ()

    def tell(self, code: str = "", message: str = "") -> None:
        """Record it, with the error that it was refused with."""
        source, _, name = self.action.partition(":")
        caller, client = self.caller, self.scope.get("client")
        principal = caller.principal if caller is not None else None
        agent = next((value for key, value in self.scope["headers"] if key.lower() == b"user-agent"), b"")
        self.trail.record(
            source=source,
            name=name,
            region=caller.region if caller is not None else "",
            principal=principal,
            arn=str(principal.arn) if principal is not None else "",
            claimed_key="",
            source_ip=client[0] if client else "",
            user_agent=agent.decode("latin-1"),
            request_id=request_id(),
            read_only=True,
            account=principal.account if principal is not None else "",
            parameters={name: self.query[name] for name in _TOLD if name in self.query},
            error_code=code,
            error_message=message,
            decisions=self.decisions,
        )
