"""What a driver of a kind of object offers, and what it stands on."""

from __future__ import annotations

from enum import Enum
from typing import Protocol, TypeVar

from roadstead.agent.host.network.objects import Presence
from roadstead.agent.host.network.worker import NamespaceWorker

Thing = TypeVar("Thing", contravariant=True)


class Driver(Protocol[Thing]):
    """Looks for, makes and removes one kind of object. `make` and `remove` are idempotent; all may raise OSError."""

    async def presence(self, thing: Thing) -> Presence:
        """How much of it there is."""
        ...

    async def make(self, thing: Thing) -> None:
        """Make it, or finish what there is of it."""
        ...

    async def remove(self, thing: Thing) -> None:
        """Remove it."""
        ...


class Lane(Enum):
    """Work that takes long has a thread of its own in each namespace, so that the rest doesn't wait behind it."""

    QUICK = "quick"
    REMOVAL = "removal"
    """The kernel takes 10 to 30 ms to delete a link; new ones are made in 1 ms meanwhile."""


class Places(Protocol):
    """The namespaces that drivers work in."""

    def exists(self, namespace: str) -> bool:
        """Whether the namespace is there."""
        ...

    def at(self, namespace: str, lane: Lane = Lane.QUICK) -> NamespaceWorker:
        """The worker of a lane inside a namespace (HOST for the host's)."""
        ...

    def identity(self, namespace: str) -> int:
        """A number that is another one when the namespace was made anew; 0 when it isn't there."""
        ...

    def open(self, namespace: str) -> int:
        """A descriptor of the namespace, for the caller to close; raises OSError."""
        ...
