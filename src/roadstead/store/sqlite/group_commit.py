"""One writer for everybody: transactions are savepoints of a shared one, and a single fsync acknowledges all of them.

While a batch is being committed, in a thread, the next transactions queue for the writer; then all of them run, and the next
commit, which queued behind them, makes them durable together. The more wait, the more one fsync is worth.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from roadstead.kernel.clock import Clock
from roadstead.store.errors import CommitFailed, NestedTransaction, StoreBusy, StoreUnavailable
from roadstead.store.sqlite.connection import SqliteLink

_log = structlog.stdlib.get_logger(__name__)

SLOW_SECONDS = 0.1
"""A transaction that holds the writer for longer is reported: it waits for something that is not the database."""
BUSY_SECONDS = 10.0
"""How long to wait for another process that holds the file's write lock."""


@dataclass(slots=True)
class Member:
    """One transaction of a batch. `wrote` and `callbacks` are set by its owner before the clean exit."""

    link: SqliteLink
    wrote: bool = False
    callbacks: Sequence[Callable[[], None]] = ()


@dataclass(slots=True)
class _Batch:
    done: asyncio.Future[Exception | None]
    """Resolves when the commit is durable (None) or has failed (why)."""
    writers: int = 0
    callbacks: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])


class GroupCommit:
    """The writing side of a SQLite file."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-commit")
        self._link: SqliteLink | None = None
        self._batch: _Batch | None = None
        self._owner: asyncio.Task[object] | None = None
        self._commits: set[asyncio.Task[None]] = set()
        self._closed = False
        self.commit_count = 0
        """Commits that were made durable, each for one or more transactions."""

    @asynccontextmanager
    async def member(self) -> AsyncGenerator[Member]:
        """A transaction: alone on the writer while the body runs, durable when the context manager returns."""
        if self._owner is not None and self._owner is asyncio.current_task():
            raise NestedTransaction(
                "this task already holds the writer: pass the transaction on instead of opening another"
            )
        failure: Exception | None = None
        async with self._lock:
            batch, link = await self._begin()
            member = Member(link)
            started = self._clock.monotonic()
            self._owner = asyncio.current_task()
            try:
                link.raw.execute("SAVEPOINT member")
                try:
                    yield member
                except BaseException as error:
                    self._undo(batch, link, error)
                    if not isinstance(error, Exception):
                        raise
                    failure = error
                else:
                    self._keep(batch, link, member)
            finally:
                self._owner = None
                if not batch.writers:
                    self._abandon(link)
                held = self._clock.monotonic() - started
                if held > SLOW_SECONDS:
                    _log.warning("a transaction held the writer for long", milliseconds=round(held * 1000))
        # Even one that only read or failed may have seen writes of its batch that are not durable yet.
        if batch.writers or batch.done.done():
            lost = await asyncio.shield(batch.done)
            if lost is not None:
                raise CommitFailed("the database could not make the transaction durable") from lost
        else:
            _call_all(member.callbacks)
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Refuse new transactions, finish the commits under way, close the connection."""
        self._closed = True
        while True:
            async with self._lock:
                if not self._commits:
                    self._discard_link()
                    break
            await asyncio.wait(self._commits)
        self._thread.shutdown()

    async def _begin(self) -> tuple[_Batch, SqliteLink]:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._batch is not None and self._link is not None:
            return self._batch, self._link
        try:
            link = self._link or SqliteLink(self._engine, self._clock)
        except (sqlite3.Error, DBAPIError) as error:
            raise StoreUnavailable("the database can't be opened") from error
        self._link = link
        deadline = self._clock.monotonic() + BUSY_SECONDS
        while True:
            try:
                link.raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    self._discard_link()
                    raise StoreUnavailable("the database can't begin a transaction") from error
                if self._clock.monotonic() > deadline:
                    raise StoreBusy("another process holds the database's write lock") from error
                await asyncio.sleep(0.01)
            else:
                break
        self._batch = _Batch(asyncio.get_running_loop().create_future())
        return self._batch, link

    def _keep(self, batch: _Batch, link: SqliteLink, member: Member) -> None:
        link.raw.execute("RELEASE member")
        if not member.wrote:
            if batch.writers:
                batch.callbacks.extend(member.callbacks)
            return
        batch.callbacks.extend(member.callbacks)
        batch.writers += 1
        if batch.writers == 1:
            commit = asyncio.get_running_loop().create_task(self._commit(batch, link))
            self._commits.add(commit)
            commit.add_done_callback(self._commits.discard)

    def _undo(self, batch: _Batch, link: SqliteLink, error: BaseException) -> None:
        if link.raw.in_transaction:
            link.raw.execute("ROLLBACK TO member")
            link.raw.execute("RELEASE member")
            return
        # A full disk or an I/O error made SQLite roll everything back, the batch's earlier transactions included.
        self._batch = None
        if batch.writers:
            batch.done.set_result(error if isinstance(error, Exception) else CommitFailed("the batch was rolled back"))

    def _abandon(self, link: SqliteLink) -> None:
        """End a batch in which nobody has written: there is nothing to make durable."""
        self._batch = None
        if link.raw.in_transaction:
            link.raw.execute("ROLLBACK")

    async def _commit(self, batch: _Batch, link: SqliteLink) -> None:
        async with self._lock:
            if batch.done.done():
                return
            self._batch = None
            failure: Exception | None = None
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, link.raw.execute, "COMMIT")
                self.commit_count += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for the commit are told
                failure = error
                self._discard_link()
        batch.done.set_result(failure)
        if failure is None:
            _call_all(batch.callbacks)
        else:
            _log.error("a commit failed", error=str(failure), transactions=batch.writers)

    def _discard_link(self) -> None:
        """Close the connection, which rolls back; the next transaction opens a new one."""
        link, self._link = self._link, None
        if link is not None:
            link.close()


def _call_all(callbacks: Sequence[Callable[[], None]]) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception:  # noqa: BLE001 - the commit stands, whatever its followers do
            _log.exception("a callback after a commit failed")
