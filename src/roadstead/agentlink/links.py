"""The links of one kind that this server holds, and what the store says of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import structlog

from roadstead.agentlink.presence import Presence
from roadstead.agentlink.sessions import Closeable, Sessions
from roadstead.store import Store, StoreError, Transaction

log = structlog.get_logger("agentlink.links")


class Session(Closeable, Protocol):
    """One connection that was let in."""

    async def run(self) -> None:
        """Serve until either end closes."""
        ...


class Mark(Protocol):
    """Writes that the link of `key` to `server` came, or went."""

    def __call__(self, tx: Transaction, key: str, /, *, server: str) -> Awaitable[None]: ...


S = TypeVar("S", bound=Session)


class Links(Generic[S]):
    """Sessions by whose they are, each on record for as long as it lasts."""

    def __init__(self, store: Store, server: Presence, *, came: Mark, went: Mark) -> None:
        self._store = store
        self._server = server
        self._came = came
        self._went = went
        self._sessions: Sessions[S] = Sessions()
        self._owed: set[str] = set()

    async def serve(self, key: str, session: S) -> bool:
        """Run the session on record; whether no newer one of the same key took over. Raises StoreError when it can't be recorded."""

        async def work() -> None:
            await self._run(self._begin, key)
            await session.run()

        try:
            return await self._sessions.run(key, session, work)
        finally:
            if self._sessions.get(key) is None:
                await self._end(key)

    async def settle(self) -> None:
        """Take back what the store still says of links that went while it could not be written. Raises StoreError."""
        for key in sorted(self._owed):
            await self._run(self._forget, key)
            self._owed.discard(key)

    async def drain(self) -> None:
        """End every session for good: agents connect elsewhere, or later."""
        await self._sessions.drain()

    async def reconnect(self) -> None:
        """Ask everyone to connect again: what the store says of the links is void."""
        await self._sessions.restart()

    async def _end(self, key: str) -> None:
        try:
            await self._run(self._forget, key)
        except StoreError as error:
            self._owed.add(key)
            log.warning("the end of a link is not on record yet", link=key, error=str(error))

    async def _run(self, write: Callable[[Transaction, str], Awaitable[None]], key: str) -> None:
        async def work(tx: Transaction) -> None:
            await write(tx, key)

        await self._store.run(work)

    async def _begin(self, tx: Transaction, key: str) -> None:
        await self._server.guard(tx)
        await self._came(tx, key, server=self._server.name)

    async def _forget(self, tx: Transaction, key: str) -> None:
        if self._sessions.get(key) is None:
            await self._went(tx, key, server=self._server.name)
