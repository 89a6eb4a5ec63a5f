"""What a controller is, and what its passes work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

from roadstead.store import Store, Transaction
from roadstead.store.leases import Lease

T = TypeVar("T")


class Shard:
    """The part of the work that this server holds the lease of. Every write fails once another server has taken the lease."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease

    @property
    def store(self) -> Store:
        """The store, for chores that need no fence because doing them twice does no harm."""
        return self._store

    def snapshot(self) -> AbstractAsyncContextManager[Transaction]:
        """A read-only view."""
        return self._store.snapshot()

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a fenced transaction; raises StaleLease."""

        async def fenced(tx: Transaction) -> T:
            await self._lease.guard(tx)
            return await work(tx)

        return await self._store.run(fenced)


@dataclass(frozen=True, slots=True)
class Controller:
    """A loop: `pass_` runs after every event of `topics`, and every `interval` seconds without one (only then, where there are no topics)."""

    name: str
    topics: tuple[str, ...]
    interval: float
    pass_: Callable[[Shard], Awaitable[None]]
