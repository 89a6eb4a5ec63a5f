"""A supervisor that has the data directory and has not written its record yet: whoever wants it to stop waits for that."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.waiting import reached

from roadstead.engines.supervise import AlreadySupervised, StillBeginning, read_status, stop_beginner, until_recorded
from roadstead.engines.supervise.lock import beginner, lock_holder
from roadstead.engines.supervise.lock import beginning as hold_beginning

DEADLINE = 30
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from roadstead.engines.supervise import lock
from roadstead.engines.supervise.process import boot_id, identify
from roadstead.engines.supervise.record import Record, write_record

async def main(data, name):
    async with getattr(lock, name)(data):
        print("locked", flush=True)
        for line in sys.stdin:
            if line == "record\\n":
                write_record(data, Record(boot_id=boot_id(), supervisor=identify(os.getpid()), children=()))
                print("recorded", flush=True)
            if line == "free\\n":
                break
    print("free", flush=True)
    sys.stdin.readline()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


class Beginning:
    """Another process that has taken a lock."""

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
async def beginning(data: Path, lock: str = "data_lock") -> AsyncGenerator[Beginning]:
    pipe = asyncio.subprocess.PIPE
    program = (sys.executable, "-c", PROGRAM, str(data), lock)
    process = await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe)
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
        holder = lock_holder(tmp_path)
        assert holder is not None
        assert read_status(tmp_path).supervisor == other.process.pid == holder.pid


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


async def test_one_that_has_nothing_to_supervise_yet_is_told_to_end(tmp_path: Path) -> None:
    assert not await stop_beginner(tmp_path, DEADLINE)
    async with beginning(tmp_path, "beginning") as other:
        assert lock_holder(tmp_path) is None, "it has not begun to supervise"
        with pytest.raises(AlreadySupervised, match=f"in use by process {other.process.pid}"):
            async with hold_beginning(tmp_path):
                pass
        assert await stop_beginner(tmp_path, DEADLINE)
        assert await other.process.wait() == -signal.SIGTERM
    assert beginner(tmp_path) is None
    assert not await stop_beginner(tmp_path, DEADLINE)


async def test_one_that_does_not_end_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async with beginning(tmp_path, "beginning") as other:
        other.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{other.process.pid}/stat")
        await reached(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")
        with pytest.raises(TimeoutError):
            await stop_beginner(tmp_path, 0.1)
        other.process.kill()
