"""A supervisor that has the data directory and has not written its record yet: whoever wants it to stop waits for that."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from roadstead.engines.supervise import StillBeginning, read_status, until_recorded
from roadstead.engines.supervise.lock import lock_holder

DEADLINE = 30
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from roadstead.engines.supervise.lock import data_lock
from roadstead.engines.supervise.process import boot_id, identify
from roadstead.engines.supervise.record import Record, write_record

async def main(data):
    async with data_lock(data):
        print("locked", flush=True)
        for line in sys.stdin:
            if line == "record\\n":
                write_record(data, Record(boot_id=boot_id(), supervisor=identify(os.getpid()), children=()))
                print("recorded", flush=True)
            if line == "free\\n":
                break
    print("free", flush=True)
    sys.stdin.readline()

asyncio.run(main(Path(sys.argv[1])))
"""


class Beginning:
    """Another process that has taken the lock."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def heard(self, expected: str) -> None:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE)
        assert line.decode().strip() == expected

    async def tell(self, word: str, expected: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        await self.heard(expected)


@asynccontextmanager
async def beginning(data: Path) -> AsyncGenerator[Beginning]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(data), stdin=pipe, stdout=pipe)
    try:
        found = Beginning(process)
        await found.heard("locked")
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_is_waited_for_until_it_can_be_found(tmp_path: Path) -> None:
    async with beginning(tmp_path) as other:
        assert read_status(tmp_path).supervisor is None
        waiting = asyncio.create_task(until_recorded(tmp_path, DEADLINE))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.2)
        await other.tell("record", "recorded")
        await asyncio.wait_for(waiting, DEADLINE)
        assert read_status(tmp_path).supervisor == other.process.pid == lock_holder(tmp_path)


async def test_one_that_does_not_come_to_it_is_named(tmp_path: Path) -> None:
    async with beginning(tmp_path) as other:
        with pytest.raises(StillBeginning, match=f"process {other.process.pid} has begun to use {tmp_path}") as caught:
            await until_recorded(tmp_path, 0.1)
        assert caught.value.pid == other.process.pid


async def test_one_that_ends_before_is_not_waited_for(tmp_path: Path) -> None:
    async with beginning(tmp_path) as other:
        waiting = asyncio.create_task(until_recorded(tmp_path, DEADLINE))
        await other.tell("free", "free")
        await asyncio.wait_for(waiting, DEADLINE)
        assert other.process.returncode is None, "it lives, and has nothing to do with the directory any more"
        assert lock_holder(tmp_path) is None


async def test_one_that_was_killed_is_not_waited_for(tmp_path: Path) -> None:
    async with beginning(tmp_path) as other:
        other.process.kill()
        await other.process.wait()
        await asyncio.wait_for(until_recorded(tmp_path, DEADLINE), DEADLINE)
    assert lock_holder(tmp_path) is None


async def test_where_nothing_ever_ran_nothing_is_made(tmp_path: Path) -> None:
    await until_recorded(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
