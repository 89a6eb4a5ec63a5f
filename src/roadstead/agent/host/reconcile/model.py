"""The values that the engine and its reconcilers exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

import msgspec

from roadstead.wire.hosts import Condition, HostResource

READY = "Ready"
SUPPORTED = "Supported"

Spec = TypeVar("Spec", bound=msgspec.Struct)
Observed = TypeVar("Observed")
Action = TypeVar("Action")


class Disconnected(Exception):
    """The server is away; what an injected callable raises to be called again later."""


class NotYet(Exception):
    """Something that this resource needs is not there yet; it is tried again. `reason` is CamelCase, for the condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class InvalidSpec(NotYet):
    """The spec can't be carried out as it is. Nothing was ever made of it, so its deletion has nothing to do."""

    def __init__(self, message: str) -> None:
        super().__init__("InvalidSpec", message)


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """Names one resource of this host."""

    kind: str
    id: str

    @classmethod
    def of(cls, resource: HostResource) -> Reference:
        """The name of `resource`."""
        return cls(resource.kind, resource.id)

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


class Goal(Enum):
    """What shall become of a resource on this host."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Desired(Generic[Spec]):
    """One resource as the server wants it, its spec decoded."""

    id: str
    spec: Spec
    goal: Goal


@dataclass(frozen=True, slots=True)
class Plan(Generic[Action]):
    """What to do, in this order, and what is then true of the resource besides `Ready`."""

    actions: tuple[Action, ...]
    conditions: tuple[Condition, ...] = ()


class Reconciler(Protocol[Spec, Observed, Action]):
    """Brings the resources of one kind to their desired state. `plan` is pure; the others touch the host.

    `observe` and `carry_out` may raise NotYet or OSError: the resource is then reported as not ready and tried again.
    `observe` raises InvalidSpec for what can't be carried out.
    Actions are idempotent, because the process may be killed between any two of them.
    """

    @property
    def kind(self) -> str:
        """The kind of resource that this one knows."""
        ...

    @property
    def spec_type(self) -> type[Spec]:
        """The structure of the kind's spec."""
        ...

    def references(self, spec: Spec) -> tuple[Reference, ...]:
        """The resources that must be ready before this one, and go after it."""
        ...

    async def observe(self, desired: Desired[Spec]) -> Observed:
        """What the host has of this resource now."""
        ...

    def plan(self, desired: Desired[Spec], observed: Observed) -> Plan[Action]:
        """The steps from `observed` to `desired`; none when it fits."""
        ...

    async def carry_out(self, action: Action) -> None:
        """Do one step."""
        ...

    async def sweep(self, present: Sequence[Desired[Spec]]) -> None:
        """Remove what carries this deployment's tag and belongs to none of these resources."""
        ...
