"""A second supervisor after the death of the first one, and `down` without any."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest
from tests.support.containerd import processes_with
from tests.support.waiting import reached
from tests.unit.engines.supervise.children import DEADLINE, child, pid, running, spec

from roadstead.engines.supervise import (
    AlreadySupervised,
    State,
    Supervisor,
    read_status,
    shut_down,
)
from roadstead.engines.supervise.record import read_record, write_record


async def test_the_next_supervisor_adopts_what_is_the_same(data: Path) -> None:
    first = Supervisor(data, [spec("a"), spec("b", depends_on=("a",))])
    await first.start()
    before = (pid(first, "a"), pid(first, "b"))
    await first.release()

    second = Supervisor(data, [spec("a"), spec("b", depends_on=("a",))])
    await second.start()
    assert (pid(second, "a"), pid(second, "b")) == before
    assert child(second, "a").adopted
    os.kill(before[0], signal.SIGKILL)
    await reached(
        lambda: child(second, "a").restarts == 1 and child(second, "a").state is State.READY, seconds=DEADLINE
    )
    assert not child(second, "a").adopted
    await second.stop()
    await reached(lambda: not running(before[1]), seconds=DEADLINE)


async def test_the_next_supervisor_replaces_what_changed_and_ends_what_is_not_wanted(data: Path) -> None:
    first = Supervisor(data, [spec("a"), spec("b"), spec("c")])
    await first.start()
    same, changed, unwanted = (pid(first, name) for name in "abc")
    await first.release()

    second = Supervisor(data, [spec("a"), spec("b", revision="2")])
    await second.start()
    assert pid(second, "a") == same
    assert pid(second, "b") != changed
    assert not running(changed)
    assert not running(unwanted)
    await second.stop()


async def test_a_record_whose_pids_belong_to_others_now_harms_nobody(data: Path) -> None:
    first = Supervisor(data, [spec("a")])
    await first.start()
    record = read_record(data)
    assert record is not None
    bystander = await asyncio.create_subprocess_exec("sleep", "1000")
    await first.stop()
    process = record.children[0].process
    assert process is not None
    stale = type(process)(bystander.pid, process.start_time - 1)
    forged = msgspec.structs.replace(record.children[0], process=stale)
    write_record(data, type(record)(boot_id=record.boot_id, supervisor=stale, children=(forged,)))
    try:
        second = Supervisor(data, [spec("a")])
        await second.start()
        assert pid(second, "a") != bystander.pid
        await second.stop()
        write_record(data, type(record)(boot_id=record.boot_id, supervisor=stale, children=(forged,)))
        assert await shut_down(data) == []
        assert bystander.returncode is None
        assert running(bystander.pid)
    finally:
        bystander.kill()
        await bystander.wait()


async def test_a_record_of_another_boot_is_void(data: Path) -> None:
    supervisor = Supervisor(data, [spec("a")])
    await supervisor.start()
    record = read_record(data)
    assert record is not None
    write_record(data, type(record)(boot_id="another", supervisor=record.supervisor, children=record.children))
    assert read_record(data) is None
    await supervisor.stop()


async def test_two_supervisors_on_one_directory(data: Path) -> None:
    first = Supervisor(data, [spec("a")])
    await first.start()
    with pytest.raises(AlreadySupervised, match=str(os.getpid())):
        await Supervisor(data, [spec("a")]).start()
    assert child(first, "a").state is State.READY
    await first.stop()


SUPERVISOR_PROGRAM = """
import asyncio, signal, sys
from pathlib import Path
from roadstead.engines.supervise import ProcessSpec, Supervisor

async def main():
    specs = [ProcessSpec(name, (sys.executable, "-c", "import time; time.sleep(1000)", sys.argv[1])) for name in "ab"]
    supervisor = Supervisor(Path(sys.argv[1]), specs)
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    print("starting", flush=True)
    await supervisor.start()
    print("ready", flush=True)
    await supervisor.run_until(asked)
    await supervisor.stop()

if sys.argv[2] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


async def _supervisor_process(data: Path, loop: str, *, until_starting: bool = False) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR_PROGRAM, str(data), loop, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    for expected in (b"starting\n", b"ready\n")[: 1 if until_starting else 2]:
        assert await asyncio.wait_for(process.stdout.readline(), DEADLINE) == expected
    return process


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_down_asks_a_living_supervisor(data: Path, loop: str) -> None:
    process = await _supervisor_process(data, loop)
    assert read_status(data).supervisor == process.pid
    pids = [pid(data, "a"), pid(data, "b")]
    assert await shut_down(data, deadline=DEADLINE) == ["a", "b"]
    assert await process.wait() == 0
    assert not any(running(each) for each in pids)
    assert read_status(data).children == ()


async def test_kill_9_takes_no_child_along_and_down_stops_them_without_the_supervisor(data: Path) -> None:
    process = await _supervisor_process(data, "asyncio")
    pids = [pid(data, "a"), pid(data, "b")]
    process.kill()
    await process.wait()
    assert all(running(each) for each in pids)
    status = read_status(data)
    assert status.supervisor is None
    assert [record.reason for record in status.children] == ["its supervisor is gone"] * 2
    assert await shut_down(data, deadline=DEADLINE) == ["a", "b"]
    assert not any(running(each) for each in pids)


async def test_kill_9_then_a_dead_child_is_shown_dead(data: Path) -> None:
    process = await _supervisor_process(data, "asyncio")
    process.kill()
    await process.wait()
    os.kill(pid(data, "a"), signal.SIGKILL)
    await reached(lambda: child(data, "a").state is State.STOPPED, seconds=DEADLINE)
    assert child(data, "b").state is State.READY


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 3, 5, 8, 13, 21])
async def test_whenever_kill_9_comes_every_child_is_found_again(data: Path, milliseconds: int) -> None:
    process = await _supervisor_process(data, "asyncio", until_starting=True)
    await asyncio.sleep(milliseconds / 1000)
    process.kill()
    await process.wait()
    await shut_down(data, deadline=DEADLINE)
    await reached(lambda: not processes_with(str(data)), seconds=DEADLINE)


async def test_down_where_nothing_ever_ran(tmp_path: Path) -> None:
    assert await shut_down(tmp_path / "nothing") == []
    assert not (tmp_path / "nothing").exists()
