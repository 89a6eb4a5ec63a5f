"""The sessions of one kind of link: a newer one for the same agent ends the older, a drain ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar


class Closeable(Protocol):
    """A session that can be told to end."""

    async def close(self, reason: str) -> None:
        """Tell the agent why and end."""
        ...


S = TypeVar("S", bound=Closeable)


class Sessions(Generic[S]):
    """Sessions by whose they are."""

    def __init__(self) -> None:
        self._current: dict[str, S] = {}
        self._ended: dict[int, asyncio.Event] = {}
        self._draining = False

    def get(self, key: str) -> S | None:
        """The current session."""
        return self._current.get(key)

    async def run(self, key: str, session: S, work: Callable[[], Awaitable[None]]) -> bool:
        """Run `work` as the session of `key`; whether it was still the current one at its end."""
        older = self._current.get(key)
        self._current[key] = session
        ended = self._ended[id(session)] = asyncio.Event()
        try:
            if older is not None:
                await older.close("a newer connection of the same agent took over")
            if self._draining:
                await session.close("the server is stopping")
            else:
                await work()
        finally:
            ended.set()
            del self._ended[id(session)]
            current = self._current.get(key) is session
            if current:
                del self._current[key]
        return current

    async def drain(self) -> None:
        """End every session and wait for it; new ones end at once."""
        self._draining = True
        await self._end("the server is stopping")

    async def restart(self) -> None:
        """End every session and wait for it; the agents connect again."""
        await self._end("connect again")

    async def _end(self, reason: str) -> None:
        waiting = list(self._ended.values())
        await asyncio.gather(*(session.close(reason) for session in list(self._current.values())))
        for ended in waiting:
            await ended.wait()
