"""What every database backend offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, MetaData

from roadstead.kernel.clock import Clock
from roadstead.store import migrations
from roadstead.store.keys import Keys, create_missing_keys
from roadstead.store.metadata import metadata as shared_metadata
from roadstead.store.transaction import Transaction
from roadstead.store.wakeups import Subscription, Wakeups

T = TypeVar("T")


class Store(ABC):
    """A database: transactions, snapshots, wake-ups. Make one with `open_store`; it closes as a context manager too."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self.wakeups = Wakeups()
        self.keys = Keys()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def version(self) -> int | None:
        """A number that changes before any write is acknowledged; None where other processes may write too.

        What was read at a version is what would be read again while the store has it.
        """
        return None

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A read-write transaction, serializable.

        A clean exit returns once the commit is durable; an exception inside undoes this transaction alone. Raises CommitFailed,
        TransactionAborted, and on PostgreSQL TransactionConflict: `run` repeats those.
        """

    @abstractmethod
    def snapshot(self) -> AbstractAsyncContextManager[Transaction]:
        """A read-only view of one moment, which never waits for writers nor holds them up. Writes raise ReadOnlyTransaction."""

    @abstractmethod
    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction and return its value; run it again, a few times, after a conflict with another.

        `work` may run more than once, so its effects outside of the transaction belong into `after_commit`.
        """

    @abstractmethod
    async def change_schema(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a synchronous connection, in a transaction that keeps every other server from doing the same.

        `work` may block: it runs off the loop. It leaves the commit to the store.
        """

    @abstractmethod
    async def close(self) -> None:
        """Wait for commits under way and let the database go."""

    def subscribe(self, *topics: str) -> Subscription:
        """Be woken after durable commits that emitted an event of `topics` (of any topic, when none is given)."""
        return self.wakeups.subscribe(*topics)

    async def migrate(self) -> None:
        """Bring the database to this program's revision, one server at a time; raises UnsuitableDatabase. Every server does so first."""
        await self.change_schema(migrations.upgrade)
        await self.run(create_missing_keys)

    async def create_all(self, metadata: MetaData = shared_metadata) -> None:
        """Create every known table at once, without migrations: for tests."""
        await self.change_schema(metadata.create_all)
        await self.run(create_missing_keys)

    async def schema_drift(self, metadata: MetaData = shared_metadata) -> list[str]:
        """What the database lacks, or has too much, beside `metadata`: empty when the migrations are complete."""
        return await self.change_schema(lambda connection: migrations.drift(connection, metadata))
