"""A decision as it is remembered after the request: for the answer to who was denied, and for the trail."""

from __future__ import annotations

import msgspec

from roadstead.access.principal import Principal
from roadstead.core.policy.compile import Request
from roadstead.core.policy.evaluate import decisive
from roadstead.core.policy.trace import Verdict


class Decided(msgspec.Struct, frozen=True):
    """One action on every resource that was named, with the verdict on each."""

    principal: Principal
    answers: tuple[tuple[Request, Verdict], ...]

    @property
    def outcome(self) -> tuple[Request, Verdict]:
        """The resource and the verdict that decide over all of them."""
        return decisive(self.answers)
