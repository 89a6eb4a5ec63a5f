"""Looking for the next request pays off or is left out; nobody looks for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.support.http_connection import connected

from roadstead.kernel.asgi import ANSWER
from roadstead.server.lookout import Lookout, lookout_of


class Steps:
    """An event loop of which the test takes each step."""

    def __init__(self) -> None:
        self.queue: list[Callable[[], None]] = []

    def call_soon(self, step: Callable[[], None]) -> None:
        self.queue.append(step)

    def step(self) -> None:
        queue, self.queue = self.queue, []
        for each in queue:
            each()


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def lookout(steps: Steps) -> Lookout:
    return Lookout(cast(Any, steps))


def in_vain(lookout: Lookout, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look that ends without anything having come."""
    now = time.perf_counter()
    monkeypatch.setattr("roadstead.server.lookout.time.perf_counter", lambda: now)
    lookout.answered()
    assert steps.queue
    monkeypatch.setattr("roadstead.server.lookout.time.perf_counter", lambda: now + Lookout.seconds)
    steps.step()
    assert not steps.queue


def test_it_looks_until_something_comes(lookout: Lookout, steps: Steps, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("roadstead.server.lookout.time.perf_counter", lambda: 5.0)
    lookout.answered()
    for _ in range(10):
        steps.step()
        assert len(steps.queue) == 1
    lookout.answered()
    assert len(steps.queue) == 1, "two look"
    lookout.came()
    steps.step()
    assert not steps.queue
    lookout.answered()
    assert steps.queue


def test_looks_in_vain_are_left_out_more_and_more(lookout: Lookout, steps: Steps, monkeypatch: pytest.MonkeyPatch):
    for left_out in (2, 4, 8, 16, 32, 64, 128, 256, 256, 256):
        in_vain(lookout, steps, monkeypatch)
        for _ in range(left_out):
            lookout.answered()
            assert not steps.queue
    lookout.answered()
    lookout.came()
    steps.step()
    for _ in range(3):  # one that paid off makes up for all of them
        lookout.answered()
        assert steps.queue
        lookout.came()
        steps.step()


async def test_connections_of_a_loop_share_one():
    answers = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal answers
        answers += 1
        await scope[ANSWER](200, [(b"content-length", b"0")], b"")

    async with connected(app) as one, connected(app) as other:
        assert one.protocol._lookout is other.protocol._lookout is lookout_of(asyncio.get_running_loop())
        for client in (one, other, one):
            await client.ask(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answers == 3


async def test_a_loop_that_was_looked_out_in_sleeps_again():
    lookout = lookout_of(asyncio.get_running_loop())
    lookout.answered()
    await asyncio.sleep(0.01)
    before = time.process_time()
    await asyncio.sleep(0.3)
    assert time.process_time() - before < 0.1
