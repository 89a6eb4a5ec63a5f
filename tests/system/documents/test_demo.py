"""`make demo`, on a host of its own: it shows what the README says, and leaves nothing, also when it is interrupted."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.support.deployment import LiveDeployment
from tests.support.namespaces import PlayedHost, played_host
from tests.support.waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def demo(host: PlayedHost, folder: Path) -> Generator[subprocess.Popen[bytes]]:
    """The demonstration as a process group of its own, working below `folder`; asked to end and waited for in the end."""
    process = host.popen(
        [sys.executable, str(ROOT / "examples" / "demo.py")],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def deployment_below(folder: Path, host: PlayedHost) -> LiveDeployment | None:
    """The demonstration's deployment, once it has a data directory."""
    data = next(folder.glob("roadstead-demo-*/data"), None)
    return None if data is None else LiveDeployment(host, data.resolve(), 0, "gvisor")


def titles(transcript: str) -> list[str]:
    """The steps that a transcript shows, without what differs between runs: times, ports and addresses."""
    return [re.sub(r"\d+", "N", title) for title in re.findall(r"^ +\d+\.\d\d s  (.+)$", transcript, re.MULTILINE)]


def test_it_shows_what_the_readme_says_and_leaves_nothing(tmp_path: Path):
    _, _, rest = (ROOT / "README.md").read_text().partition("This is what `make demo` prints")
    promised = titles(rest.split("```")[1])
    assert promised[-1] == "in all; nothing is left"
    with played_host() as host:
        with demo(host, tmp_path) as process:
            assert process.stdout is not None
            shown = [process.stdout.readline().decode()]  # the title; the deployment begins
            deployment = until(lambda: deployment_below(tmp_path, host), "a data directory")
            shown += [line.decode() for line in process.stdout]
            assert process.wait() == 0, "".join(shown)
        assert titles("".join(shown)) == promised
        assert deployment.leftovers() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_comes_up_it_leaves_nothing(number: signal.Signals, tmp_path: Path):
    with played_host() as host:
        with demo(host, tmp_path) as process:
            deployment = until(lambda: deployment_below(tmp_path, host), "a data directory")
            log = deployment.data / "logs" / "up.log"
            until(lambda: log.exists() and "containerd starting" in log.read_text(), "containerd", 30)
            os.killpg(process.pid, number)  # as a terminal does on Ctrl-C
            shown, _ = process.communicate()
            assert process.returncode == 128 + number, shown.decode()
        assert "roadstead down" in shown.decode()
        assert deployment.leftovers() == []
    assert list(tmp_path.iterdir()) == []
