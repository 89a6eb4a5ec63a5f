"""Snapshot readers of a SQLite file."""

from __future__ import annotations

import sqlite3
from types import TracebackType

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from roadstead.kernel.clock import Clock
from roadstead.store.errors import StoreUnavailable
from roadstead.store.keys import Keys
from roadstead.store.sqlite.connection import SqliteLink, raise_unfit
from roadstead.store.transaction import Transaction

_log = structlog.stdlib.get_logger(__name__)

IDLE_CONNECTIONS = 8
"""Connections that are kept for the next reader; a crowd opens more and closes them again."""
SLOW_SECONDS = 5.0
"""A snapshot that lives longer is reported: the write-ahead log can't be emptied past it."""


class Readers:
    """Connections that only read; WAL gives each transaction of theirs the state of one moment."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._idle: list[SqliteLink] = []
        self._closed = False

    def take(self) -> SqliteLink:
        """A connection inside of a read transaction; `give_back` ends that. Raises StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            link = self._idle.pop() if self._idle else self._open()
        except (sqlite3.Error, DBAPIError) as error:
            raise StoreUnavailable("the database can't be opened") from error
        try:
            link.raw.execute("BEGIN")
        except BaseException:
            link.close()
            raise
        return link

    def give_back(self, link: SqliteLink) -> None:
        """End the read transaction and keep the connection for the next reader."""
        if link.raw.in_transaction:
            link.raw.execute("ROLLBACK")
        if self._closed or len(self._idle) >= IDLE_CONNECTIONS:
            link.close()
        else:
            self._idle.append(link)

    def close(self) -> None:
        """Close the idle connections; those in use close when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _open(self) -> SqliteLink:
        link = SqliteLink(self._engine, self._clock)
        link.raw.execute("PRAGMA query_only = ON")
        return link


class Snapshot:
    """One read transaction as a context manager; a class, since every request that reads enters one and generators cost more."""

    __slots__ = ("_clock", "_keys", "_link", "_readers", "_started", "_tx")

    def __init__(self, readers: Readers, clock: Clock, keys: Keys) -> None:
        self._readers = readers
        self._clock = clock
        self._keys = keys

    async def __aenter__(self) -> Transaction:
        self._started = self._clock.monotonic()
        self._link = self._readers.take()
        self._tx = Transaction(self._link, self._clock, self._keys, writable=False)
        return self._tx

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.give_back(self._link)
        held = self._clock.monotonic() - self._started
        if held > SLOW_SECONDS:
            _log.warning("a snapshot was held for long", seconds=round(held, 1))
        if isinstance(error, Exception):
            raise_unfit(error, self._tx)
