from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from roadstead.agent.host.reconcile.model import Disconnected
from roadstead.agent.host.reconcile.reporter import LARGEST_BATCH, Reporter
from roadstead.wire.hosts import HostResourceStatus


def status(id: str, generation: int = 1, *, finalized: bool = False) -> HostResourceStatus:
    return HostResourceStatus(kind="vpc", id=id, observed_generation=generation, finalized=finalized)


class Server:
    def __init__(self) -> None:
        self.batches: list[tuple[HostResourceStatus, ...]] = []
        self.away = False
        self.refusals = 0
        self._called = asyncio.Event()

    async def report(self, statuses: Sequence[HostResourceStatus]) -> None:
        self._called.set()
        if self.away:
            self.refusals += 1
            raise Disconnected("away")
        self.batches.append(tuple(statuses))

    @asynccontextmanager
    async def reporter(self) -> AsyncGenerator[Reporter]:
        reporter = Reporter(self.report)
        running = asyncio.create_task(reporter.run())
        try:
            async with asyncio.timeout(5):
                yield reporter
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def until(self, batches: int = 0, refusals: int = 0) -> None:
        while len(self.batches) < batches or self.refusals < refusals:
            self._called.clear()
            await self._called.wait()


async def test_statuses_that_pile_up_go_in_one_call() -> None:
    server = Server()
    async with server.reporter() as reporter:
        reporter.put(status("a"))
        reporter.put(status("b"))
        reporter.put(status("a", 2))
        await server.until(1)
        assert server.batches == [(status("a", 2), status("b"))]


async def test_an_unchanged_status_is_sent_once_and_again_after_a_new_list() -> None:
    server = Server()
    async with server.reporter() as reporter:
        for _ in range(2):
            reporter.put(status("a"))
            await server.until(1)
        reporter.put(status("b"))
        await server.until(2)
        reporter.repeat()
        reporter.put(status("a"))
        await server.until(3)
        assert server.batches == [(status("a"),), (status("b"),), (status("a"),)]


async def test_what_waits_is_void_after_a_new_list() -> None:
    server = Server()
    server.away = True
    async with server.reporter() as reporter:
        reporter.put(status("a", finalized=True))
        await server.until(refusals=1)
        reporter.repeat()
        server.away = False
        reporter.put(status("b"))
        await server.until(1)
        assert server.batches == [(status("b"),)]


async def test_while_the_server_is_away_the_newest_status_of_each_waits() -> None:
    server = Server()
    server.away = True
    async with server.reporter() as reporter:
        reporter.put(status("a"))
        await server.until(refusals=1)
        reporter.put(status("a", 2, finalized=True))
        server.away = False
        await server.until(1)
        assert server.batches == [(status("a", 2, finalized=True),)]


async def test_batches_are_bounded() -> None:
    server = Server()
    async with server.reporter() as reporter:
        for number in range(LARGEST_BATCH + 1):
            reporter.put(status(str(number)))
        await server.until(2)
        assert [len(batch) for batch in server.batches] == [LARGEST_BATCH, 1]
