"""Snapshot readers of a SQLite file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import Engine

from roadstead.kernel.clock import Clock
from roadstead.store.errors import StoreUnavailable
from roadstead.store.sqlite.connection import SqliteLink

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

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[SqliteLink]:
        """A connection inside of a read transaction."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        link = self._idle.pop() if self._idle else self._open()
        started = self._clock.monotonic()
        try:
            link.raw.execute("BEGIN")
            yield link
        finally:
            self._give_back(link)
            held = self._clock.monotonic() - started
            if held > SLOW_SECONDS:
                _log.warning("a snapshot was held for long", seconds=round(held, 1))

    def close(self) -> None:
        """Close the idle connections; those in use close when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _open(self) -> SqliteLink:
        link = SqliteLink(self._engine, self._clock)
        link.raw.execute("PRAGMA query_only = ON")
        return link

    def _give_back(self, link: SqliteLink) -> None:
        if link.raw.in_transaction:
            link.raw.execute("ROLLBACK")
        if self._closed or len(self._idle) >= IDLE_CONNECTIONS:
            link.close()
        else:
            self._idle.append(link)
