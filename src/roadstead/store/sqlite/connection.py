"""One SQLite connection, driven inline: a statement by index costs less than a hop to a thread and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, Executable, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from roadstead.kernel.clock import Clock
from roadstead.store.errors import StoreUnavailable
from roadstead.store.lookup import Lookup
from roadstead.store.transaction import Parameters, Transaction

_CACHED_PAGES_KIB = 32 * 1024
_UNFIT = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
    }
)
"""The disk, the memory or the file is not as it must be (https://www.sqlite.org/rescode.html)."""


def create_sqlite_engine(path: Path) -> Engine:
    """An engine whose connections leave BEGIN and COMMIT to us, survive power loss (WAL, full sync) and may change threads."""

    def connect() -> sqlite3.Connection:
        raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0, cached_statements=512)
        try:
            raw.execute(
                "PRAGMA busy_timeout = 5000"
            )  # to open waits for others, as for one that recovers; later statements don't
            raw.execute("PRAGMA journal_mode = WAL")
            raw.execute("PRAGMA busy_timeout = 0")
            raw.execute("PRAGMA synchronous = FULL")
            raw.execute("PRAGMA foreign_keys = ON")
            raw.execute("PRAGMA temp_store = MEMORY")
            raw.execute(f"PRAGMA cache_size = -{_CACHED_PAGES_KIB}")
        except BaseException:
            raw.close()
            raise
        return raw

    return create_engine(
        "sqlite://",
        hide_parameters=True,
        creator=connect,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        query_cache_size=4096,
    )


def open_raw(engine: Engine) -> tuple[Connection, sqlite3.Connection]:
    """A connection as SQLAlchemy wraps it, and the bare one inside, which takes the commands of transaction control."""
    connection = engine.connect()
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError("the engine is not SQLite's")
    return connection, raw


class SqliteLink:
    """A connection as a transaction sees it. Its coroutines never suspend."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._connection, self.raw = open_raw(engine)
        self._dialect = engine.dialect
        self._clock = clock

    async def execute(self, statement: Executable, parameters: Parameters | None) -> CursorResult[*tuple[Any, ...]]:
        """Execute a statement, here and now."""
        return self._connection.execute(statement, parameters)

    async def look_up(self, lookup: Lookup[*tuple[Any, ...]], values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """Run a lookup on the bare connection."""
        compiled = lookup.on(self._dialect)
        ordered = compiled.values(values)
        try:
            found = self.raw.execute(compiled.sql, ordered).fetchall()
        except sqlite3.Error as error:
            raise OperationalError(compiled.sql, ordered, error) from error
        return compiled.rows(found) if compiled.conversions else found

    async def command(self, sql: str) -> None:
        """Run a statement of transaction control."""
        self.raw.execute(sql)

    async def now(self) -> datetime:
        """The clock of this process: no other server shares the file."""
        return self._clock.now()

    def event_order(self) -> object:
        """One writer at a time: ids alone are in the order of the commits."""
        return 0

    async def event_horizon(self) -> int | None:
        """None: no event becomes visible after one with a larger id."""
        return None

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        self._connection.close()


def raise_unfit(error: Exception, tx: Transaction) -> None:
    """Raise StoreUnavailable if it is the database that can't do its work, even if the code has turned that into something else meanwhile."""
    reason = error if isinstance(error, DBAPIError) else tx.failure
    if reason is not None and getattr(reason.orig, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in _UNFIT:
        raise StoreUnavailable(f"SQLite can't do its work: {reason.orig}") from error
