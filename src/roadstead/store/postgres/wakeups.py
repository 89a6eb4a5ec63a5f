"""Wake-ups between servers: NOTIFY right after a commit, and a poll behind it for those that got lost.

NOTIFY is not part of the transaction: PostgreSQL lets only one notifying transaction commit at a time, and a wake-up that a
crash loses costs a poll's second, nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from roadstead.store.postgres.driver import DATABASE_AWAY, Listener, connect_listener
from roadstead.store.postgres.link import EVENT_HORIZON

_log = structlog.stdlib.get_logger(__name__)

CHANNEL = "roadstead_outbox"
POLL_SECONDS = 1.0
_RECONNECT_SECONDS = 1.0
_START_SECONDS = 10.0
_MAX_PAYLOAD = 7000  # NOTIFY takes less than 8000 bytes

_TOPICS_SINCE = text("SELECT DISTINCT topic FROM outbox WHERE xid >= :xmin")


class PostgresWakeups:
    """Two tasks: one holds the connection that listens and notifies, one polls."""

    def __init__(
        self, dsn: str, engine: AsyncEngine, wake: Callable[[Iterable[str]], None], wake_all: Callable[[], None]
    ) -> None:
        self._dsn = dsn
        self._engine = engine.execution_options(
            isolation_level="AUTOCOMMIT"
        )  # a poll is no part of anybody's conflicts
        self._wake = wake
        self._wake_all = wake_all
        self._outgoing: set[str] = set()
        self._outgoing_ready = asyncio.Event()
        self._listening = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start listening and polling; returns once other servers are heard. Raises TimeoutError when that takes too long."""
        self._tasks = [asyncio.create_task(self._exchange()), asyncio.create_task(self._poll())]
        await asyncio.wait_for(self._listening.wait(), _START_SECONDS)

    async def close(self) -> None:
        """Stop both."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                _log.error("a wake-up task had failed", error=repr(outcome))
        self._tasks = []

    def tell_others(self, topics: Iterable[str]) -> None:
        """Wake the subscribers of other servers, soon; topics of several commits go together."""
        self._outgoing.update(topics)
        self._outgoing_ready.set()

    async def _exchange(self) -> None:
        while True:
            try:
                connection = await connect_listener(self._dsn)
            except DATABASE_AWAY as error:
                _log.warning("PostgreSQL is away", error=str(error))
                await asyncio.sleep(_RECONNECT_SECONDS)
                continue
            try:
                await connection.add_listener(CHANNEL, self._heard)
                if self._listening.is_set():
                    self._wake_all()  # after a gap in which something may have been missed
                self._listening.set()
                while not connection.is_closed():
                    await self._notify(connection)
            except DATABASE_AWAY as error:
                _log.warning("the connection for wake-ups was lost", error=str(error))
            finally:
                connection.terminate()

    async def _notify(self, connection: Listener) -> None:
        try:
            await asyncio.wait_for(self._outgoing_ready.wait(), _RECONNECT_SECONDS)
        except TimeoutError:
            return  # to look whether the connection is still there
        self._outgoing_ready.clear()
        topics, self._outgoing = self._outgoing, set()
        payload = msgspec.json.encode(sorted(topics)).decode()
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload if len(payload) <= _MAX_PAYLOAD else "")

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if payload:
            self._wake(msgspec.json.decode(str(payload), type=list[str]))
        else:
            self._wake_all()

    async def _poll(self) -> None:
        seen: int | None = None
        while True:
            try:
                async with self._engine.connect() as connection:
                    xmin = int((await connection.execute(EVENT_HORIZON)).scalar_one())
                    if seen is not None:
                        self._wake((await connection.execute(_TOPICS_SINCE, {"xmin": seen})).scalars().all())
                    seen = xmin
            except DATABASE_AWAY as error:
                _log.debug("the outbox can't be polled", error=str(error))
            await asyncio.sleep(POLL_SECONDS)
