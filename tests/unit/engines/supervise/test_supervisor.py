"""The supervisor with real processes, and with a second supervisor after the first one's death."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.support.waiting import reached

from roadstead.engines.supervise import (
    AlreadySupervised,
    Check,
    ChildRecord,
    ProcessFailed,
    ProcessSpec,
    RestartPolicy,
    State,
    Supervisor,
    read_status,
    shut_down,
)
from roadstead.engines.supervise import supervisor as supervisor_module
from roadstead.engines.supervise.checks import NotReady
from roadstead.engines.supervise.process import identify
from roadstead.engines.supervise.record import read_record, write_record
from roadstead.engines.supervise.survivors import end_survivors

DEADLINE = 30.0
QUICK = RestartPolicy(initial=0.01, maximum=0.05, healthy_after=0.05, attempts=3)


def spec(name: str, code: str = "import time; time.sleep(1000)", **changes: object) -> ProcessSpec:
    made = ProcessSpec(name, (sys.executable, "-c", code), restart=QUICK, stop_timeout=5.0, check_every=0.05)
    return replace(made, **changes)  # type: ignore[arg-type]


def file_appears(path: Path) -> Check:
    async def check() -> bool:
        return path.exists()

    return check


async def never() -> bool:
    return False


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[Path]:
    """A data directory; whatever still runs on it in the end is stopped."""
    directory = tmp_path / "data"
    yield directory
    record = read_record(directory)
    if record is not None:
        await end_survivors(record.children)


def child(source: Supervisor | Path, name: str) -> ChildRecord:
    status = read_status(source) if isinstance(source, Path) else source.status()
    return next(record for record in status.children if record.name == name)


def pid(source: Supervisor | Path, name: str) -> int:
    process = child(source, name).process
    assert process is not None
    return process.pid


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


async def test_waits_for_readiness_not_for_the_process(data: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    slow = spec("slow", f"import time; time.sleep(0.3); open({str(flag)!r}, 'w'); time.sleep(1000)")
    supervisor = Supervisor(data, [replace(slow, check=file_appears(flag))])
    await supervisor.start()
    assert flag.exists()
    await supervisor.stop()


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


async def test_what_is_ready_is_asked_for_its_own_health(data: Path) -> None:
    asked = {"check": 0, "health": 0}
    ready, healthy = True, True

    async def check() -> bool:
        asked["check"] += 1
        return ready

    async def health() -> bool:
        asked["health"] += 1
        return healthy

    supervisor = Supervisor(data, [spec("a", check=check, health=health, check_every=0.01)])
    await supervisor.start()
    ready, first, before = False, pid(supervisor, "a"), dict(asked)
    await reached(lambda: asked["health"] > before["health"] + 2 * spec("a").tolerated, seconds=DEADLINE)
    assert asked["check"] == before["check"]
    assert pid(supervisor, "a") == first
    ready, healthy = True, False
    await reached(lambda: child(supervisor, "a").restarts == 1, seconds=DEADLINE)
    healthy = True
    await reached(lambda: child(supervisor, "a").state is State.READY, seconds=DEADLINE)
    await supervisor.stop()


async def test_what_is_not_healthy_does_not_get_ready(data: Path) -> None:
    with pytest.raises(ProcessFailed, match=r"not ready within 0.1 s: the answer was no"):
        await Supervisor(data, [spec("a", health=never, ready_within=0.1)]).start()


async def test_a_process_that_never_gets_ready_is_an_error_with_its_last_words(data: Path) -> None:
    bad = spec("bad", "import sys; sys.exit('no such option: x')", check=never)
    supervisor = Supervisor(data, [spec("good"), bad])
    with pytest.raises(ProcessFailed, match=r"(?s)bad failed: exited with status 1.*no such option: x"):
        await supervisor.start()
    assert supervisor.status().children[0].process is None
    assert read_record(data) is None


async def test_a_process_that_does_not_answer_in_time_is_stopped_and_given_up(data: Path) -> None:
    lazy = spec("lazy", check=never, ready_within=0.1, restart=replace(QUICK, attempts=1000))
    supervisor = Supervisor(data, [lazy])
    with pytest.raises(ProcessFailed, match=r"not ready within 0.1 s: the answer was no; killed by signal 15"):
        await supervisor.start()
    assert child(supervisor, "lazy").restarts == 1


async def test_a_wrong_configuration_is_told_at_once(data: Path) -> None:
    wrong = spec("wrong", "import sys; print('of another version'); sys.exit(78)", check=never)
    supervisor = Supervisor(data, [wrong])
    with pytest.raises(ProcessFailed, match=r"(?s)wrong failed: exited with status 78.*of another version"):
        await supervisor.start()
    assert child(supervisor, "wrong").restarts == 1


async def test_what_a_process_answered_instead_is_told(data: Path) -> None:
    async def busy() -> bool:
        raise NotReady("HTTP/1.1 503 no agent is connected")

    with pytest.raises(ProcessFailed, match=r"not ready within 0.1 s: HTTP/1.1 503 no agent is connected; killed"):
        await Supervisor(data, [spec("lazy", check=busy, ready_within=0.1)]).start()


async def test_one_that_was_ready_before_and_is_late_after_a_restart_is_tried_again(data: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    slow = spec("slow", check=file_appears(flag), ready_within=0.1)
    supervisor = Supervisor(data, [slow])
    await supervisor.start()
    flag.unlink()
    os.kill(pid(supervisor, "slow"), signal.SIGKILL)
    await reached(lambda: child(supervisor, "slow").restarts > 2, seconds=DEADLINE)
    flag.touch()
    await reached(lambda: child(supervisor, "slow").state is State.READY, seconds=DEADLINE)
    await supervisor.stop()


async def _left_dead(data: Path, *specs: ProcessSpec) -> None:
    """What a supervisor leaves that was killed when all was ready, together with all its processes."""
    first = Supervisor(data, specs)
    await first.start()
    pids = [pid(first, each.name) for each in specs]
    await first.release()
    for each in pids:
        os.kill(each, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, each, 0)


async def test_one_that_was_ready_and_died_with_its_supervisor_is_tried_again_when_late(
    data: Path, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    slow = spec("slow", check=file_appears(flag), ready_within=0.1)
    await _left_dead(data, slow)
    flag.unlink()
    second = Supervisor(data, [slow])
    starting = asyncio.create_task(second.start())
    await reached(lambda: starting.done() or child(second, "slow").restarts > 2, seconds=DEADLINE)
    flag.touch()
    await asyncio.wait_for(starting, DEADLINE)
    await second.stop()


async def test_one_that_was_ready_under_another_specification_has_to_get_ready(data: Path) -> None:
    await _left_dead(data, spec("lazy"))
    changed = spec("lazy", revision="2", check=never, ready_within=0.1)
    with pytest.raises(ProcessFailed, match=r"not ready within 0.1 s"):
        await Supervisor(data, [changed]).start()


async def test_one_that_was_ready_before_and_is_hopeless_now_is_told_at_once(data: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    code = f"import os, sys, time\nif os.path.exists({str(flag)!r}): sys.exit(78)\ntime.sleep(1000)"
    await _left_dead(data, spec("wrong", code))
    flag.touch()
    with pytest.raises(ProcessFailed, match="wrong failed: exited with status 78"):
        await Supervisor(data, [spec("wrong", code, check=never)]).start()


@pytest.mark.parametrize("begun", [False, True])
async def test_a_supervisor_without_patience_gives_up_what_was_ready_before(data: Path, begun: bool) -> None:
    await _left_dead(data, spec("lazy"))
    second = Supervisor(data, [spec("lazy", check=never, ready_within=0.1)])
    if not begun:
        second.lose_patience()
    starting = asyncio.create_task(second.start())
    if begun:
        await reached(lambda: starting.done() or child(second, "lazy").restarts > 2, seconds=DEADLINE)
        assert not starting.done()
        second.lose_patience()
    with pytest.raises(ProcessFailed, match=r"not ready within 0.1 s"):
        await asyncio.wait_for(starting, DEADLINE)


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


async def test_run_until_returns_when_asked_and_leaves_everything_running(data: Path) -> None:
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
    await reached(lambda: not _running(before[1]), seconds=DEADLINE)


async def test_the_next_supervisor_replaces_what_changed_and_ends_what_is_not_wanted(data: Path) -> None:
    first = Supervisor(data, [spec("a"), spec("b"), spec("c")])
    await first.start()
    same, changed, unwanted = (pid(first, name) for name in "abc")
    await first.release()

    second = Supervisor(data, [spec("a"), spec("b", revision="2")])
    await second.start()
    assert pid(second, "a") == same
    assert pid(second, "b") != changed
    assert not _running(changed)
    assert not _running(unwanted)
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
        assert _running(bystander.pid)
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


async def test_a_cancelled_start_leaves_nothing_running(data: Path) -> None:
    supervisor = Supervisor(data, [spec("a"), spec("b", check=never, depends_on=("a",))])
    starting = asyncio.create_task(supervisor.start())
    await reached(lambda: child(supervisor, "b").state is State.STARTING, seconds=DEADLINE)
    pids = [pid(supervisor, "a"), pid(supervisor, "b")]
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not any(_running(each) for each in pids)
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
    assert not any(_running(each) for each in pids)
    assert read_status(data).children == ()


async def test_kill_9_takes_no_child_along_and_down_stops_them_without_the_supervisor(data: Path) -> None:
    process = await _supervisor_process(data, "asyncio")
    pids = [pid(data, "a"), pid(data, "b")]
    process.kill()
    await process.wait()
    assert all(_running(each) for each in pids)
    status = read_status(data)
    assert status.supervisor is None
    assert [record.reason for record in status.children] == ["its supervisor is gone"] * 2
    assert await shut_down(data, deadline=DEADLINE) == ["a", "b"]
    assert not any(_running(each) for each in pids)


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
    await reached(lambda: not _mentioning(str(data)), seconds=DEADLINE)


def _mentioning(text: str) -> list[Path]:
    """The processes whose command line holds the text."""
    found: list[Path] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if text.encode() in path.read_bytes():
                found.append(path)
    return found


async def test_down_where_nothing_ever_ran(tmp_path: Path) -> None:
    assert await shut_down(tmp_path / "nothing") == []
    assert not (tmp_path / "nothing").exists()


def _running(number: int) -> bool:
    return identify(number) is not None
