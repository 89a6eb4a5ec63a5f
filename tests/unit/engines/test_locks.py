from __future__ import annotations

import asyncio
from pathlib import Path

from roadstead.engines.locks import exclusive


async def test_one_at_a_time_and_the_second_is_told(tmp_path: Path) -> None:
    inside = 0
    most = 0
    told: list[int] = []

    async def work(number: int) -> None:
        nonlocal inside, most
        async with exclusive(tmp_path / "deep" / "lock", waiting=lambda: told.append(number)):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(work(number) for number in range(3)))
    assert most == 1
    assert sorted(told) == [1, 2]


async def test_a_waiter_can_be_cancelled(tmp_path: Path) -> None:
    async def wait() -> None:
        async with exclusive(tmp_path / "lock"):
            raise AssertionError("it is held")

    async with exclusive(tmp_path / "lock"):
        waiter = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait([waiter])
        assert waiter.cancelled()
    async with asyncio.timeout(10), exclusive(tmp_path / "lock"):
        pass
