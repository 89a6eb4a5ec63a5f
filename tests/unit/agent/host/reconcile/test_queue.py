from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.agent.host.reconcile.queue import FIRST_RETRY, LONGEST_RETRY, WorkQueue, backoff


async def test_a_name_waits_once_and_comes_up_again_when_added_while_it_is_worked_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert await queue.take() == "a"
    queue.add("a")
    assert await queue.take() == "b"
    queue.done("b")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await queue.take()
    queue.done("a")
    assert await queue.take() == "a"
    queue.done("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await queue.take()


async def test_a_failed_name_comes_back_by_itself_and_at_once_when_added() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    for _ in range(2):
        queue.failed(await queue.take())
    queue.add("a")
    async with asyncio.timeout(FIRST_RETRY):
        queue.failed(await queue.take())
    queue.close()


async def test_several_workers_share_the_names() -> None:
    queue: WorkQueue[int] = WorkQueue()
    seen: list[int] = []
    complete = asyncio.Event()

    async def work() -> None:
        while True:
            key = await queue.take()
            await asyncio.sleep(0)
            seen.append(key)
            queue.done(key)
            if len(seen) == 50:
                complete.set()

    workers = [asyncio.create_task(work()) for _ in range(4)]
    for key in range(50):
        queue.add(key)
    async with asyncio.timeout(5):
        await complete.wait()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(seen) == list(range(50))


@given(st.integers(min_value=1, max_value=10_000))
def test_backoff_grows_and_is_bounded(failures: int) -> None:
    assert FIRST_RETRY <= backoff(failures) <= backoff(failures + 1) <= LONGEST_RETRY
