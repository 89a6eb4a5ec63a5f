"""When a process counts as ready, and what becomes of one that does not get there."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.waiting import reached
from tests.unit.engines.supervise.children import DEADLINE, QUICK, child, file_appears, never, pid, spec

from roadstead.engines.supervise import (
    ProcessFailed,
    ProcessSpec,
    State,
    Supervisor,
)
from roadstead.engines.supervise.checks import NotReady
from roadstead.engines.supervise.record import read_record


async def test_waits_for_readiness_not_for_the_process(data: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    slow = spec("slow", f"import time; time.sleep(0.3); open({str(flag)!r}, 'w'); time.sleep(1000)")
    supervisor = Supervisor(data, [replace(slow, check=file_appears(flag))])
    await supervisor.start()
    assert flag.exists()
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
