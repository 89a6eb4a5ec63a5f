"""`down` in the first moments of an `up` stops it: it does not say that nothing runs."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.support.namespaces import PlayedHost
from tests.support.waiting import until
from tests.system.lifecycle.conftest import MakeDeployment, text_of

ROOT = Path(__file__).parents[3]


def test_down_waits_for_an_up_that_can_not_be_told_yet(
    deployment_of: MakeDeployment, host: PlayedHost, tmp_path: Path
) -> None:
    deployment, flag = deployment_of(), tmp_path / "paused"
    options = ["--no-profile", "--fargate-runtime", "runc", "--data", str(deployment.data)]
    command = [sys.executable, "-m", "tests.system.lifecycle.pausing", str(flag), "up", *options]
    with (tmp_path / "output").open("wb") as output:
        up = host.popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=dict(os.environ))
    try:
        until(flag.exists, "up has the data directory")
        assert not (deployment.data / "supervisor.json").exists()
        with ThreadPoolExecutor(1) as thread:
            down = thread.submit(deployment.command, "down")
            until(lambda: _is_waiting(f"down\0--data\0{deployment.data}") or down.done(), "down waits")
            assert not down.done(), text_of(down.result())
            flag.unlink()
            done = down.result(120)
        assert done.returncode == 0, text_of(done)
        assert "nothing runs" not in text_of(done)
        assert up.wait(60) == 0, (tmp_path / "output").read_text()
    finally:
        up.kill()
        up.wait()
    assert "nothing runs on" in text_of(deployment.command("down"))
    assert deployment.leftovers() == []


def _is_waiting(command: str) -> bool:
    """Whether the process of a command is in its event loop, waiting for something."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if command in (process / "cmdline").read_text() and "epoll" in (process / "wchan").read_text():
                return True
    return False
