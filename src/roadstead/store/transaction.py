"""One unit of work against the database, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol, TypeVarTuple, cast, overload

from sqlalchemy import CursorResult, Executable, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.selectable import TypedReturnsRows

from roadstead.kernel.clock import Clock
from roadstead.store.errors import ReadOnlyTransaction, TransactionAborted
from roadstead.store.keys import Keys
from roadstead.store.lookup import Lookup
from roadstead.store.outbox import Event, outbox
from roadstead.store.result import Result

Ts = TypeVarTuple("Ts")
Parameters = Mapping[str, object] | Sequence[Mapping[str, object]]


class Link(Protocol):
    """What a transaction needs of its database connection."""

    async def execute(self, statement: Executable, parameters: Parameters | None) -> CursorResult[*tuple[Any, ...]]:
        """Execute a statement."""
        ...

    async def look_up(self, lookup: Lookup[*tuple[Any, ...]], values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """Run a lookup and read its rows to the end."""
        ...

    async def command(self, sql: str) -> None:
        """Run a statement of transaction control."""
        ...

    async def now(self) -> datetime:
        """The time that all servers of this database agree on."""
        ...

    def event_order(self) -> object:
        """The value of an outbox row's `xid`: a number or a SQL expression."""
        ...

    async def event_horizon(self) -> int | None:
        """The `xid` from which on events may still be missing; None where they become visible in order."""
        ...


class Transaction:
    """Reads, and in `Store.transaction` writes, that take effect together or not at all.

    It awaits nothing but the database: a coroutine that holds it must not call out to anything else.
    """

    def __init__(self, link: Link, clock: Clock, keys: Keys, *, writable: bool) -> None:
        self.clock = clock
        self._link = link
        self._keys = keys
        self._writable = writable
        self._events: list[Event] = []
        self._callbacks: list[Callable[[], None]] = []
        self._savepoints = 0
        self._failure: DBAPIError | None = None
        self._wrote = False

    @overload
    async def execute(self, statement: TypedReturnsRows[*Ts], parameters: Parameters | None = None) -> Result[*Ts]: ...
    @overload
    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Result[*tuple[Any, ...]]: ...
    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> Result[*tuple[Any, ...]]:
        """Execute a statement and read its rows to the end; a sequence of parameters executes it once for each.

        Raises SQLAlchemy's DBAPIError kin, and UnstorableValue. As PostgreSQL has it, on both databases: after an error outside of a `savepoint`
        every further statement and the commit raise TransactionAborted. In a snapshot, writes raise ReadOnlyTransaction.
        """
        if self._failure is not None:
            raise TransactionAborted("an earlier statement of this transaction failed") from self._failure
        if not statement.is_select:
            if not self._writable and (
                statement.is_dml or statement.is_update or statement.is_insert or statement.is_delete
            ):
                raise ReadOnlyTransaction("a snapshot can't write")
            self._wrote = True
        try:
            return Result(await self._link.execute(statement, parameters))
        except DBAPIError as error:
            self._failure = error
            raise

    async def look_up(self, lookup: Lookup[*Ts], **values: object) -> Sequence[tuple[*Ts]]:
        """The rows of a lookup, plain tuples; raises as `execute` does."""
        if self._failure is not None:
            raise TransactionAborted("an earlier statement of this transaction failed") from self._failure
        try:
            return cast("Sequence[tuple[*Ts]]", await self._link.look_up(lookup, values))
        except DBAPIError as error:
            self._failure = error
            raise

    def emit(self, event: Event) -> None:
        """Put an event into the outbox; it commits with the rest, and wakes subscribers once that is durable."""
        if not self._writable:
            raise ReadOnlyTransaction("a snapshot can't emit events")
        self._events.append(event)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the commit is durable, before the transaction is acknowledged; never after a rollback."""
        self._callbacks.append(callback)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """A part that can fail on its own: an exception undoes its writes, events and callbacks, and leaves the rest usable."""
        mark = (len(self._events), len(self._callbacks))
        name = f"part_{self._savepoints}"
        self._savepoints += 1
        await self._link.command(f"SAVEPOINT {name}")
        try:
            yield
            self.check()
        except BaseException:
            await self._link.command(f"ROLLBACK TO SAVEPOINT {name}")
            await self._link.command(f"RELEASE SAVEPOINT {name}")
            self._failure = None
            del self._events[mark[0] :]
            del self._callbacks[mark[1] :]
            raise
        await self._link.command(f"RELEASE SAVEPOINT {name}")

    async def shared_now(self) -> datetime:
        """The time that all servers of this database agree on: its own clock, or ours where it lives in this process."""
        return await self._link.now()

    async def event_horizon(self) -> int | None:
        """The outbox's `xid` from which on events may still be missing in this view; None where there is no such thing."""
        return await self._link.event_horizon()

    async def signing_key(self, name: str) -> bytes:
        """A key of 32 bytes that all servers of this database share, by its purpose."""
        return await self._keys.get(self, name)

    # What follows is for the store itself.

    @property
    def failure(self) -> DBAPIError | None:
        """The statement error that makes this transaction unfit to commit."""
        return self._failure

    @property
    def wrote(self) -> bool:
        """Whether anything but SELECTs was executed."""
        return self._wrote

    @property
    def callbacks(self) -> Sequence[Callable[[], None]]:
        """What to call after the commit, in order."""
        return self._callbacks

    @property
    def topics(self) -> frozenset[str]:
        """Topics of the emitted events."""
        return frozenset(event.topic for event in self._events)

    def check(self) -> None:
        """Raise TransactionAborted when a statement failed and the code went on as if it had not."""
        if self._failure is not None:
            raise TransactionAborted("a statement failed, so nothing can be committed") from self._failure

    async def finish(self) -> None:
        """Write the collected events; the last statement before the commit."""
        self.check()
        if not self._events:
            return
        created_at = self.clock.now()
        rows = [
            {
                "topic": event.topic,
                "account": event.account,
                "region": event.region,
                "resource": event.resource,
                "payload": event.payload,
                "created_at": created_at,
            }
            for event in self._events
        ]
        await self.execute(insert(outbox).values(xid=self._link.event_order()), rows)
