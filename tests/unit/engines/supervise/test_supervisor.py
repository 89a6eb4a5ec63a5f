"""The supervisor with real processes."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path

import pytest
from tests.support.waiting import reached
from tests.unit.engines.supervise.children import DEADLINE, child, file_appears, never, pid, running, spec

from roadstead.engines.supervise import (
    ProcessFailed,
    RestartPolicy,
    State,
    Supervisor,
    read_status,
)
from roadstead.engines.supervise import supervisor as supervisor_module
from roadstead.engines.supervise.record import read_record


async def test_starts_in_order_and_stops_in_reverse(data: Path) -> None:
    seen: list[tuple[str, State]] = []
    supervisor = Supervisor(
        data,
        [spec("c", depends_on=("b",)), spec("b", depends_on=("a",)), spec("a")],
        on_change=lambda record: seen.append((record.name, record.state)),
    )
    await supervisor.start()
    assert [name for name, state in seen if state is State.READY] == ["a", "b", "c"]
    assert seen.index(("a", State.READY)) < seen.index(("b", State.STARTING))
    await supervisor.stop()
    assert [name for name, state in seen if state is State.STOPPED] == ["c", "b", "a"]
    assert seen.index(("c", State.STOPPED)) < seen.index(("b", State.STOPPING))
    assert read_status(data).children == ()


async def test_restarts_what_dies_and_counts_it(data: Path) -> None:
    supervisor = Supervisor(data, [spec("a")])
    await supervisor.start()
    first = pid(supervisor, "a")
    os.kill(first, signal.SIGKILL)
    await reached(
        lambda: child(supervisor, "a").restarts == 1 and child(supervisor, "a").state is State.READY, seconds=DEADLINE
    )
    assert pid(supervisor, "a") != first
    assert child(supervisor, "a").last_exit == -signal.SIGKILL
    await supervisor.stop()


async def test_replaces_what_no_longer_answers(data: Path) -> None:
    healthy = True

    async def check() -> bool:
        if not healthy:
            raise ConnectionRefusedError("nobody there")
        return True

    reasons: list[str] = []
    supervisor = Supervisor(data, [spec("a", check=check, tolerated=2)], on_change=lambda r: reasons.append(r.reason))
    await supervisor.start()
    first = pid(supervisor, "a")
    healthy = False
    await reached(lambda: child(supervisor, "a").restarts == 1, seconds=DEADLINE)
    healthy = True
    await reached(lambda: child(supervisor, "a").state is State.READY, seconds=DEADLINE)
    assert pid(supervisor, "a") != first
    assert "failed its check 2 times in a row: ConnectionRefusedError: nobody there" in reasons
    await supervisor.stop()


async def test_a_program_that_is_missing_is_named(data: Path) -> None:
    with pytest.raises(ProcessFailed, match="/no/such/program"):
        await Supervisor(data, [spec("a", argv=("/no/such/program",))]).start()


async def test_run_until_tells_of_a_process_that_is_given_up(data: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    code = f"import os, time\nwhile not os.path.exists({str(flag)!r}): time.sleep(0.01)\nprint('bye')"
    supervisor = Supervisor(data, [spec("once", code, restart=RestartPolicy(restart=False))])
    await supervisor.start()
    flag.touch()
    with pytest.raises(ProcessFailed, match=r"(?s)once failed: exited with status 0.*bye"):
        await asyncio.wait_for(supervisor.run_until(asyncio.Event()), DEADLINE)
    await supervisor.stop()


async def test_run_until_returns_when_asked_and_leaves_everythingrunning(data: Path) -> None:
    supervisor = Supervisor(data, [spec("a")])
    await supervisor.start()
    asked = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, asked.set)
    await asyncio.wait_for(supervisor.run_until(asked), DEADLINE)
    assert child(supervisor, "a").state is State.READY
    await supervisor.stop()


async def test_kills_what_ignores_the_signal(data: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    code = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(flag)!r}, 'w'); time.sleep(1000)"
    supervisor = Supervisor(data, [spec("deaf", code, check=file_appears(flag), stop_timeout=0.1)])
    await supervisor.start()
    await supervisor.stop()
    assert supervisor.status().children[0].last_exit == -signal.SIGKILL


async def test_a_cancelled_start_leaves_nothingrunning(data: Path) -> None:
    supervisor = Supervisor(data, [spec("a"), spec("b", check=never, depends_on=("a",))])
    starting = asyncio.create_task(supervisor.start())
    await reached(lambda: child(supervisor, "b").state is State.STARTING, seconds=DEADLINE)
    pids = [pid(supervisor, "a"), pid(supervisor, "b")]
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not any(running(each) for each in pids)
    assert read_record(data) is None


async def test_start_and_stop_leave_no_descriptor_open(data: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    supervisor = Supervisor(data, [spec("a"), spec("b")])
    await supervisor.start()
    await supervisor.stop()
    await asyncio.sleep(0)
    assert set(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


async def test_a_full_disk_stops_nothing_and_shows_in_the_status(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor(data, [spec("a")])
    await supervisor.start()
    with monkeypatch.context() as patch:
        patch.setattr(supervisor_module, "write_record", _full_disk)
        os.kill(pid(supervisor, "a"), signal.SIGKILL)
        await reached(
            lambda: child(supervisor, "a").restarts == 1 and child(supervisor, "a").state is State.READY,
            seconds=DEADLINE,
        )
        assert "No space left" in supervisor.status().fault
    asked = asyncio.Event()
    running = asyncio.create_task(supervisor.run_until(asked))
    await reached(lambda: child(data, "a").restarts == 1, seconds=DEADLINE)  # the record has caught up
    assert supervisor.status().fault == ""
    asked.set()
    await running
    await supervisor.stop()


def _full_disk(*args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
