"""A principal as decisions ask of it, made once and good for as long as nothing changes in its account."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from roadstead.access.held import Held, ServiceControl
from roadstead.access.principal import Principal
from roadstead.access.request_keys import principal_keys, requester_of
from roadstead.access.resource import name_tags
from roadstead.core.policy.compile import CompiledPolicy, Request
from roadstead.core.policy.context import Keys
from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.principals import Requester
from roadstead.core.policy.trace import Verdict

_VERDICTS = 32
"""How many verdicts are remembered of one asker."""
_Question = tuple[str, str, str | None]
"""An action, a resource, and whose that is."""


class _Asking(NamedTuple):
    """What the policies may read of a request for an action."""

    keys: bool
    """Whether they read any condition key."""
    tags: bool
    """Whether they read a tag of the resource."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, the condition keys that follow from it, and the policies that apply to whatever it asks for."""

    principal: Principal
    requester: Requester
    keys: Keys
    policies: PolicySet
    _asking: dict[str, _Asking] = field(default_factory=dict[str, "_Asking"], compare=False, repr=False)
    _verdicts: dict[_Question, Verdict] = field(default_factory=dict[_Question, Verdict], compare=False, repr=False)

    def asks_for_tags(self, action: str) -> bool:
        """Whether a decision about `action` may ask for a tag of the resource, as far as these policies go."""
        return self._asks(action).tags

    def decide(self, request: Request) -> Verdict:
        """`evaluate` a request of this asker; remembered where the policies ask for nothing but action and resource."""
        if self._asks(request.action).keys:
            return evaluate(request, self.policies)
        question = (request.action, request.resource, request.resource_account)
        known = self._verdicts.get(question)
        if known is None:
            if len(self._verdicts) >= _VERDICTS:
                self._verdicts.clear()
            known = self._verdicts[question] = evaluate(request, self.policies)
        return known

    def _asks(self, action: str) -> _Asking:
        known = self._asking.get(action)
        if known is None:
            keys = self.policies.keys(action)
            known = self._asking[action] = _Asking(bool(keys), name_tags(keys))
        return known


def asker(
    principal: Principal, held: Held, session: tuple[CompiledPolicy, ...] | None, service_control: ServiceControl
) -> Asker:
    """The asker of what was read of a principal."""
    return Asker(
        principal=principal,
        requester=requester_of(principal),
        keys=Keys(partial(principal_keys, principal, held.tags)),
        policies=PolicySet(
            identity=held.policies, boundary=held.boundary, session=session, service_control=service_control
        ),
    )
