from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from roadstead.engines.supervise.process import Gate, ProcessIdentity, hold, identify, is_alive, is_ending, spawn


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def spawned(tmp_path: Path, code: str, **environment: str) -> Gate:
    return spawn(program(code), environment=environment, cwd=tmp_path, log=tmp_path / "logs" / "x.log")


async def test_a_child_runs_in_its_own_session_and_appends_to_its_log(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x.log").write_text("before\n")
    code = "import os, sys; print(os.getsid(0) == os.getpid(), os.getcwd(), os.environ['WHO'], sys.stdin.read())"
    gate = spawned(tmp_path, code, WHO="me")
    with contextlib.closing(gate.handle):
        gate.open()
        await asyncio.wait_for(gate.handle.ended(), 20)
        assert gate.handle.collect() == 0
    assert (tmp_path / "logs" / "x.log").read_text() == f"before\nTrue {tmp_path} me \n"


async def test_a_child_whose_gate_never_opens_runs_nothing(tmp_path: Path) -> None:
    gate = spawned(tmp_path, "open('ran', 'w')")
    with contextlib.closing(gate.handle):
        os.close(gate._writer)  # as the kernel does when the supervisor dies
        await asyncio.wait_for(gate.handle.ended(), 20)
        assert gate.handle.collect() != 0
    assert not (tmp_path / "ran").exists()


async def test_the_exit_of_a_killed_child_is_a_negative_number(tmp_path: Path) -> None:
    gate = spawned(tmp_path, "import time; time.sleep(100)")
    with contextlib.closing(gate.handle):
        gate.handle.send(SIGKILL)
        gate.open()  # to nobody
        await asyncio.wait_for(gate.handle.ended(), 20)
        assert gate.handle.collect() == -SIGKILL


def test_a_missing_program_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/no/such/program"):
        spawn(["/no/such/program"], environment={}, cwd=None, log=tmp_path / "x.log")


def test_a_pid_that_another_process_has_now_is_never_touched() -> None:
    child = subprocess.Popen(program("import time; time.sleep(100)"))
    try:
        now = identify(child.pid)
        assert now is not None
        earlier = ProcessIdentity(child.pid, now.start_time - 1)
        assert not is_alive(earlier)
        assert hold(earlier) is None
        handle = hold(now)
        assert handle is not None
        with contextlib.closing(handle):
            handle.send(SIGTERM)
            child.wait(20)
            handle.send(SIGTERM)  # its end is none of our worries
        assert hold(now) is None
    finally:
        child.kill()
        child.wait()


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(program("pass"))
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identify(child.pid) is None
    child.wait()


def test_a_command_with_parentheses_in_its_name_is_read_right(tmp_path: Path) -> None:
    name = tmp_path / "a) R 1 ("
    name.symlink_to("/bin/sleep")
    child = subprocess.Popen([name, "100"])
    try:
        ours, theirs = identify(os.getpid()), identify(child.pid)
        assert ours is not None
        assert theirs is not None
        assert theirs.start_time >= ours.start_time
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(
    ("flags", "own", "shared", "ending"),
    [
        (0x400000, 0, 0, False),
        (0x400000, 0x100, 0, True),
        (0x400000, 0, 0x100, True),
        (0x400004, 0, 0, True),
        (0x400000, 0x4000, 0x4000, False),  # SIGTERM waits
    ],
)
def test_a_killed_process_is_ending(tmp_path: Path, flags: int, own: int, shared: int, ending: bool) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(f"7 (a (b) c) R 1 7 7 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 4711 0")
    (tmp_path / "7" / "status").write_text(f"Name:\tx\nSigPnd:\t{own:016x}\nShdPnd:\t{shared:016x}\n")
    assert is_ending(7, tmp_path) is ending
    assert is_ending(8, tmp_path), "it is gone"
    assert not is_ending(os.getpid())
