from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.support.waiting import until

SAY = """
import os, signal, sys, time
from pathlib import Path
from roadstead.cli.detach import detached
from roadstead.cli.failure import CommandFailed
caller = os.getpid()
def work(ready):
    signal.alarm(20)
    print("told before", flush=True)
    {end}
try:
    detached(work, Path(sys.argv[1]))
except CommandFailed as error:
    print("FAILED", error.status, error)
print("caller goes on")
"""
STOPPED_IN_ORDER = """
    try:
        print("pid", os.getpid(), flush=True)
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt:
        print("all is freed")
"""
AFTER_THE_CALLERS_DEATH = """
    while os.getppid() == caller:
        time.sleep(0.01)
    ready()
    print("it goes on", flush=True)
"""
ON_A_WORD = """
    while not Path(sys.argv[1] + ".go").exists():
        time.sleep(0.01)
    ready()
"""


def program(end: str, log: Path) -> list[str]:
    return [sys.executable, "-c", SAY.format(end=end.strip()), str(log)]


def run(end: str, log: Path) -> str:
    return subprocess.run(program(end, log), capture_output=True, text=True, check=True, timeout=30).stdout


@contextlib.contextmanager
def begun(command: list[str], log: Path, word: str) -> Generator[subprocess.Popen[str]]:
    """The caller, once its child wrote `word`."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as caller:
        until(lambda: log.exists() and word in log.read_text())
        yield caller


def test_the_caller_goes_on_when_it_is_ready(tmp_path: Path):
    log = tmp_path / "logs" / "up.log"
    assert run("ready()", log) == "told before\ncaller goes on\n"
    assert log.read_text().startswith("told before\n")


def test_a_failure_before_is_the_callers(tmp_path: Path):
    log = tmp_path / "up.log"
    said = run("raise CommandFailed('no luck', 7)", log)
    assert "roadstead: no luck" in said
    assert "FAILED 7 it did not come up" in said
    assert "ZeroDivisionError" in run("1 / 0", log)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_ends_both_in_order(number: signal.Signals, tmp_path: Path):
    log = tmp_path / "up.log"
    with begun(program(STOPPED_IN_ORDER, log), log, "pid") as caller:
        caller.send_signal(number)
        said, _ = caller.communicate(timeout=10)
    assert said.startswith("told before\npid ")
    assert "all is freed\n" in said
    assert f"FAILED {128 + number} interrupted" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text().split()[3]), 0)


def test_a_signal_that_nothing_handles_yet(tmp_path: Path):
    log = tmp_path / "up.log"
    with begun(program("while True: time.sleep(0.01)", log), log, "told") as caller:
        caller.terminate()
        said, _ = caller.communicate(timeout=10)
    assert "FAILED 143 interrupted" in said
    assert "Traceback" not in said


def test_what_the_caller_ignores_stops_nothing(tmp_path: Path):
    log = tmp_path / "up.log"
    with begun(["nohup", *program(ON_A_WORD, log)], log, "told") as caller:
        caller.send_signal(signal.SIGHUP)
        Path(f"{log}.go").touch()
        said, _ = caller.communicate(timeout=10)
    assert said == "told before\ncaller goes on\n"


def test_it_outlives_a_caller_that_was_killed_before(tmp_path: Path):
    log = tmp_path / "up.log"
    with begun(program(AFTER_THE_CALLERS_DEATH, log), log, "told") as caller:
        caller.kill()
    until(lambda: "it goes on" in log.read_text() or "Error" in log.read_text())
    assert log.read_text() == "told before\nit goes on\n"
