"""What the store says of links, also of those that end while it can't be written."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.agentlink.conftest import LiveServer

from roadstead.agentlink.links import Links
from roadstead.agentlink.presence import Presence
from roadstead.store import StoreError, Transaction


class Session:
    """Lasts until it is told to close."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self.begun = asyncio.Event()

    async def run(self) -> None:
        self.begun.set()
        await self._over.wait()

    async def close(self, reason: str) -> None:
        assert reason
        self._over.set()


class Record:
    """What is said of links; `broken` while nothing can be written."""

    def __init__(self) -> None:
        self.links: dict[str, str] = {}
        self.broken = False

    async def came(self, _tx: Transaction, key: str, /, *, server: str) -> None:
        self._check()
        self.links[key] = server

    async def went(self, _tx: Transaction, key: str, /, *, server: str) -> None:
        self._check()
        if self.links.get(key) == server:
            del self.links[key]

    def _check(self) -> None:
        if self.broken:
            raise StoreError("disk full")


async def _begun(links: Links[Session], key: str) -> tuple[Session, asyncio.Task[bool]]:
    session = Session()
    task = asyncio.create_task(links.serve(key, session))
    async with asyncio.timeout(5):
        await session.begun.wait()
    return session, task


async def test_the_end_of_a_link_is_written_when_the_store_can_be_written_again(server: LiveServer):
    record = Record()
    links = Links[Session](server.store, Presence("s"), came=record.came, went=record.went)
    session, task = await _begun(links, "a")
    assert record.links == {"a": "s"}
    record.broken = True
    await session.close("enough")
    assert await task
    with pytest.raises(StoreError):
        await links.settle()
    assert record.links == {"a": "s"}, "nobody could write it"
    record.broken = False
    await links.settle()
    assert record.links == {}


async def test_a_link_that_came_back_meanwhile_stays(server: LiveServer):
    record = Record()
    links = Links[Session](server.store, Presence("s"), came=record.came, went=record.went)
    first, ending = await _begun(links, "a")
    record.broken = True
    await first.close("enough")
    assert await ending
    record.broken = False
    second, task = await _begun(links, "a")
    await links.settle()
    assert record.links == {"a": "s"}
    await second.close("enough")
    assert await task
    assert record.links == {}


async def test_a_link_that_can_not_be_recorded_is_not_served(server: LiveServer):
    record = Record()
    record.broken = True
    links = Links[Session](server.store, Presence("s"), came=record.came, went=record.went)
    with pytest.raises(StoreError, match="disk full"):
        await links.serve("a", Session())
    record.broken = False
    await links.settle()
    assert record.links == {}
