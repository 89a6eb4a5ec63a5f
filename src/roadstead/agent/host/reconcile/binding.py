"""Hides the types of a kind's spec, observation and actions from the engine, which knows only resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol

import msgspec

from roadstead.agent.host.reconcile.model import (
    Action,
    Desired,
    Goal,
    InvalidSpec,
    Observed,
    Reconciler,
    Reference,
    Spec,
)
from roadstead.wire.hosts import Condition, HostResource


class Carrier(Protocol):
    """What the engine does with the resources of one kind."""

    @property
    def kind(self) -> str:
        """The kind of resource."""
        ...

    def references(self, resource: HostResource) -> tuple[Reference, ...]:
        """The resources that `resource` stands on; none when its spec can't be read."""
        ...

    async def reconcile(self, resource: HostResource, goal: Goal) -> tuple[Condition, ...]:
        """Observe, plan, carry out; gives the further conditions. Raises NotYet and OSError."""
        ...

    async def sweep(self, present: Sequence[HostResource]) -> None:
        """Remove what belongs to no resource in `present`."""
        ...


class Bound(Generic[Spec, Observed, Action]):
    """A Carrier made of a Reconciler."""

    def __init__(self, reconciler: Reconciler[Spec, Observed, Action]) -> None:
        self._reconciler = reconciler

    @property
    def kind(self) -> str:
        """The kind of resource."""
        return self._reconciler.kind

    def references(self, resource: HostResource) -> tuple[Reference, ...]:
        """The resources that `resource` stands on; none when its spec can't be read (reconcile then says so)."""
        try:
            return self._reconciler.references(self._decode(resource))
        except InvalidSpec:
            return ()

    async def reconcile(self, resource: HostResource, goal: Goal) -> tuple[Condition, ...]:
        """Observe, plan, carry out. A resource with an invalid spec was never made, so there is nothing to remove."""
        try:
            desired = Desired(id=resource.id, spec=self._decode(resource), goal=goal)
            observed = await self._reconciler.observe(desired)
        except InvalidSpec:
            if goal is Goal.ABSENT:
                return ()
            raise
        plan = self._reconciler.plan(desired, observed)
        for action in plan.actions:
            await self._reconciler.carry_out(action)
        return plan.conditions

    async def sweep(self, present: Sequence[HostResource]) -> None:
        """Remove what belongs to no resource in `present`; one that can't be read keeps nothing."""
        readable: list[Desired[Spec]] = []
        for resource in present:
            try:
                readable.append(Desired(id=resource.id, spec=self._decode(resource), goal=Goal.PRESENT))
            except InvalidSpec:
                continue
        await self._reconciler.sweep(readable)

    def _decode(self, resource: HostResource) -> Spec:
        try:
            return msgspec.json.decode(resource.spec, type=self._reconciler.spec_type)
        except msgspec.MsgspecError as error:
            raise InvalidSpec(str(error)) from error
