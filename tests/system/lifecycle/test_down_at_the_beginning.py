"""`down` in the first moments of an `up` stops it: it does not say that nothing runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.deployment import LiveDeployment
from tests.support.namespaces import PlayedHost
from tests.support.waiting import until
from tests.system.lifecycle.conftest import MakeDeployment, text_of

ROOT = Path(__file__).parents[3]


@dataclass
class Pausing:
    """An `up` that has come to a moment of its beginning and goes on when `flag` is away."""

    deployment: LiveDeployment
    process: subprocess.Popen[bytes]
    flag: Path
    output: Path


@contextmanager
def pausing_up(deployment: LiveDeployment, host: PlayedHost, folder: Path, moment: str) -> Generator[Pausing]:
    flag, output = folder / "paused", folder / "output"
    options = ["--no-profile", "--fargate-runtime", "runc", "--data", str(deployment.data)]
    command = [sys.executable, "-m", "tests.system.lifecycle.pausing", moment, str(flag), "up", *options]
    with output.open("wb") as file:
        up = host.popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=dict(os.environ))
    try:
        until(flag.exists, "up is at its beginning")
        assert not (deployment.data / "supervisor.json").exists()
        yield Pausing(deployment, up, flag, output)
    finally:
        up.kill()
        up.wait()
    assert "nothing runs on" in text_of(deployment.command("down"))
    assert deployment.leftovers() == []


def test_down_ends_an_up_that_installs_engines(deployment_of: MakeDeployment, host: PlayedHost, tmp_path: Path) -> None:
    with pausing_up(deployment_of(), host, tmp_path, "installing") as up:
        second = up.deployment.command("up", "--no-profile")
        assert second.returncode != 0
        assert f"in use by process {up.process.pid}" in text_of(second)
        done = up.deployment.command("down")
        assert done.returncode == 0, text_of(done)
        assert "stopped what was coming up" in text_of(done)
        assert up.process.wait(60) == 0, up.output.read_text()


def test_down_waits_for_an_up_that_can_not_be_told_yet(
    deployment_of: MakeDeployment, host: PlayedHost, tmp_path: Path
) -> None:
    with pausing_up(deployment_of(), host, tmp_path, "recording") as up:
        deployment = up.deployment
        with ThreadPoolExecutor(1) as thread:
            down = thread.submit(deployment.command, "down")
            until(lambda: _is_waiting(f"down\0--data\0{deployment.data}") or down.done(), "down waits")
            assert not down.done(), text_of(down.result())
            up.flag.unlink()
            done = down.result(120)
        assert done.returncode == 0, text_of(done)
        assert "nothing runs" not in text_of(done)
        assert up.process.wait(60) == 0, up.output.read_text()


def _is_waiting(command: str) -> bool:
    """Whether the process of a command is in its event loop, waiting for something."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if command in (process / "cmdline").read_text() and "epoll" in (process / "wchan").read_text():
                return True
    return False
