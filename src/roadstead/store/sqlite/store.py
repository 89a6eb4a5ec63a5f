"""The store on a SQLite file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from roadstead.kernel.clock import Clock
from roadstead.kernel.ids import hex_id
from roadstead.store.base import Store
from roadstead.store.errors import StoreError
from roadstead.store.sqlite.connection import create_sqlite_engine, open_raw, raise_unfit
from roadstead.store.sqlite.group_commit import GroupCommit
from roadstead.store.sqlite.readers import Readers, Snapshot
from roadstead.store.transaction import Transaction
from roadstead.store.values import check_statements

T = TypeVar("T")

_SCHEMA_LOCK_MILLISECONDS = 60_000
"""How long a server waits for another that is migrating."""


class SqliteStore(Store):
    """Everything in one file, which this process alone writes."""

    def __init__(self, url: str, path: Path, clock: Clock) -> None:
        super().__init__(url, clock)
        self.path = path
        self._engine = create_sqlite_engine(path)
        check_statements(self._engine)
        _create_durably(path)
        self.writer = GroupCommit(self._engine, clock)
        self._readers = Readers(self._engine, clock)

    @property
    def version(self) -> int:
        """See Store.version: the commits that this process, the only writer, has made durable."""
        return self.writer.commit_count

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """See Store.transaction."""
        async with self.writer.member() as member:
            tx = Transaction(member.link, self.clock, self.keys, writable=True)
            try:
                yield tx
                await tx.finish()
            except Exception as error:
                raise_unfit(error, tx)
                raise
            member.wrote = tx.wrote
            topics = tx.topics
            member.callbacks = [*tx.callbacks, partial(self.wakeups.wake, topics)] if topics else tx.callbacks

    def snapshot(self) -> Snapshot:
        """See Store.snapshot."""
        return Snapshot(self._readers, self.clock, self.keys)

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """See Store.run; with one writer there is no conflict, so `work` runs once."""
        async with self.transaction() as tx:
            return await work(tx)

    async def change_schema(self, work: Callable[[Connection], T]) -> T:
        """See Store.change_schema. SQLite's own write lock keeps others out."""
        return await asyncio.to_thread(_change_schema, self._engine, work)

    async def close(self) -> None:
        """See Store.close."""
        await self.writer.close()
        self._readers.close()
        self._engine.dispose()


def _change_schema(engine: Engine, work: Callable[[Connection], T]) -> T:
    connection, raw = open_raw(engine)
    try:
        raw.execute(f"PRAGMA busy_timeout = {_SCHEMA_LOCK_MILLISECONDS}")
        raw.execute("PRAGMA foreign_keys = OFF")  # changing a table means to copy and drop it, which must not cascade
        raw.execute("BEGIN IMMEDIATE")
        connection.begin()  # tells whoever works on the connection that the transaction is not theirs
        result = work(connection)
        broken = raw.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise StoreError(f"a migration left a row of {broken[0]} without its {broken[2]}")
        raw.execute("COMMIT")
        return result
    finally:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        connection.close()


def _create_durably(path: Path) -> None:
    """Create the file, in WAL mode, all at once and so that power loss right after the first commit finds it.

    Two processes that switch one file to WAL at the same time would find each other's locks.
    """
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{hex_id(8)}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):  # another process was first
            path.hardlink_to(draft)
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
