"""What came of a request: the answer, and what the request log and the trail say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from roadstead.access.decided import Decided
from roadstead.access.gatekeeper import Caller
from roadstead.gateway.protocols import HttpResponse
from roadstead.gateway.protocols.detect import Target

BROKEN_OFF = 499
"""The status of what did not come to its end, because client or upstream left; nobody is told it."""
BROKEN_OFF_CODE = "BrokenOff"


class Outcome(msgspec.Struct):
    """An answer, and what the request log and the trail say of the request."""

    response: HttpResponse
    service: str = "-"
    operation: str = "-"
    code: str = "OK"
    account: str = "-"
    region: str = "-"
    principal: str = "-"
    message: str = ""
    """What the error says, without what only the caller is told."""
    target: Target | None = None
    caller: Caller | None = None
    """None until the signature held."""
    claimed_key: str = ""
    """The access key that the request names, verified or not."""
    params: Mapping[str, object] | None = None
    result: Mapping[str, object] | None = None
    decisions: Sequence[Decided] = ()
    relayed: bool = False
    """Whether nothing is to be sent: an upstream's answer was already, or nobody is there for one. `response` has the status alone."""

    def is_of(self, caller: Caller) -> None:
        """Note whose request it is."""
        self.caller, principal = caller, caller.principal
        self.account, self.region, self.principal = principal.account, caller.region, str(principal.arn)

    def break_off(self) -> None:
        """Note that the client left before its request was complete."""
        self.response, self.relayed = HttpResponse(BROKEN_OFF), True
        self.code, self.message = BROKEN_OFF_CODE, "The client closed the connection before its request was complete."
