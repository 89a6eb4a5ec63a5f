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
    return Lookout(cast("Any", steps))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test moves."""
    now = [5.0]
    monkeypatch.setattr("roadstead.server.lookout.time.perf_counter", lambda: now[0])
    return now


def answer(lookout: Lookout) -> None:
    """A request that came with what `came` is told of, and was answered at once."""
    lookout.begun()
    lookout.ended()


def in_vain(lookout: Lookout, steps: Steps, clock: list[float]) -> None:
    """One look that ends without anything having come."""
    answer(lookout)
    assert steps.queue
    clock[0] += Lookout.seconds * 1.01
    steps.step()
    assert not steps.queue


def test_it_looks_until_something_comes(lookout: Lookout, steps: Steps, clock: list[float]):
    answer(lookout)
    for _ in range(10):
        steps.step()
        assert len(steps.queue) == 1
    answer(lookout)
    assert len(steps.queue) == 1, "two look"
    lookout.came()
    steps.step()
    assert not steps.queue
    answer(lookout)
    assert steps.queue


def test_nobody_looks_while_a_request_is_under_way(lookout: Lookout, steps: Steps, clock: list[float]):
    lookout.begun()
    answer(lookout)
    assert not steps.queue
    lookout.ended()
    assert steps.queue


def test_those_whose_client_is_gone_are_not_under_way(lookout: Lookout, steps: Steps, clock: list[float]):
    for _ in range(3):
        lookout.begun()
    lookout.gone(3)
    answer(lookout)
    assert steps.queue


def test_looks_in_vain_are_left_out_more_and_more(lookout: Lookout, steps: Steps, clock: list[float]):
    for left_out in (2, 4, 8, 16, 32, 64, 128, 256, 256, 256):
        in_vain(lookout, steps, clock)
        for _ in range(left_out):
            answer(lookout)
            assert not steps.queue


@pytest.mark.parametrize("in_one_step", [True, False])
def test_one_that_pays_off_makes_up_for_those_in_vain(
    lookout: Lookout, steps: Steps, clock: list[float], in_one_step: bool
):
    for _ in range(4):
        in_vain(lookout, steps, clock)
        lookout._left_out = 0
    answer(lookout)
    lookout.came()
    if not in_one_step:
        steps.step()
    answer(lookout)  # what came was answered in the step in which it came
    in_vain_again = Lookout.seconds * 1.01
    clock[0] += in_vain_again
    steps.step()
    assert lookout._left_out == 2


def test_bursts_are_heard_of(lookout: Lookout, steps: Steps, clock: list[float]):
    """A client that asks fifty things, one after the other, and computes for a millisecond: most are heard of while it is looked for them."""
    heard = 0
    for _ in range(200):
        clock[0] += 1e-3
        steps.step()
        for _ in range(50):
            heard += bool(steps.queue)
            lookout.came()
            answer(lookout)
            clock[0] += 30e-6
            steps.step()
    assert heard > 9000


async def test_connections_of_a_loop_share_one():
    answers = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal answers
        answers += 1
        await scope[ANSWER](200, [(b"content-length", b"0")], b"")

    async with connected(app) as one, connected(app) as other:
        assert lookout_of(asyncio.get_running_loop())._under_way == 0
        assert one.protocol._lookout is other.protocol._lookout is lookout_of(asyncio.get_running_loop())
        for client in (one, other, one):
            await client.ask(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answers == 3


async def test_requests_that_end_in_whatever_way_are_under_way_no_more():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        match scope["path"]:
            case "/fails":
                raise RuntimeError
            case "/waits":
                await receive()
                await receive()
            case _:
                await scope[ANSWER](200, [(b"content-length", b"0")], b"")

    lookout = lookout_of(asyncio.get_running_loop())
    async with connected(app) as client:
        await client.ask(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\nGET /y HTTP/1.1\r\nhost: x\r\n\r\n")
        assert lookout._under_way == 0
        await client.ask(b"GET /waits HTTP/1.1\r\nhost: x\r\n\r\n")
        assert lookout._under_way == 1
    assert lookout._under_way == 0
    async with connected(app) as client:
        await client.ask(b"GET /fails HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.closed
    assert lookout._under_way == 0


async def test_a_loop_that_was_looked_out_in_sleeps_again():
    lookout = lookout_of(asyncio.get_running_loop())
    answer(lookout)
    await asyncio.sleep(0.01)
    before = time.process_time()
    await asyncio.sleep(0.3)
    assert time.process_time() - before < 0.1
