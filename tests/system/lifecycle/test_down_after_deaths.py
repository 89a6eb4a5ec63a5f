"""`down` frees everything whichever process died before."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.deployment import LiveDeployment, web_image
from tests.support.waiting import until
from tests.system.lifecycle.conftest import MakeDeployment


def pids(deployment: LiveDeployment) -> dict[str, int]:
    """The processes on record."""
    record = json.loads((deployment.data / "supervisor.json").read_text())
    running = {c["name"]: c["process"]["pid"] for c in record["children"] if c["process"]}
    return {"supervisor": record["supervisor"]["pid"], **running}


def with_a_task(deployment: LiveDeployment, folder: Path) -> str:
    """Come up and run one web task."""
    deployment.up()
    uri = deployment.push(web_image(folder), "web", "web")
    deployment.define("web", uri, deployment.role("exec"))
    arn = deployment.run_task("web")
    deployment.wait_for(arn, "RUNNING")
    return arn


EVERYTHING = "supervisor agent server containerd guard"


@pytest.mark.parametrize(
    ("runtime", "victims"),
    [
        *(("runc", victims) for victims in ("supervisor", "agent", "server", "supervisor server")),
        *((runtime, victims) for runtime in ("runc", "gvisor") for victims in ("containerd", EVERYTHING)),
    ],
)
def test_down_after_kills(deployment_of: MakeDeployment, tmp_path: Path, runtime: str, victims: str):
    deployment = deployment_of(runtime)
    arn = with_a_task(deployment, tmp_path / "i")
    running = pids(deployment)
    for name in victims.split():
        os.kill(running[name], signal.SIGKILL)
    deployment.down()
    assert deployment.leftovers() == []
    deployment.up()
    task = until(lambda: t if (t := deployment.task(arn))["lastStatus"] == "STOPPED" else None, "the end is told")
    assert task["containers"][0]["lastStatus"] == "STOPPED"


@pytest.mark.parametrize("victim", ["agent", "supervisor", "containerd", "server"])
def test_a_kill_in_the_middle_of_down(deployment_of: MakeDeployment, tmp_path: Path, victim: str):
    deployment = deployment_of()
    with_a_task(deployment, tmp_path / "i")
    running = pids(deployment)
    log = deployment.data / "logs" / "up.log"
    deployment.host.call(lambda: os.kill(running["supervisor"], signal.SIGTERM))
    until(lambda: "Stopping tasks" in log.read_text(), "going down")
    os.kill(running[victim], signal.SIGKILL)
    _gone(lambda: (deployment.data / "supervisor.json").exists() and Path(f"/proc/{running['supervisor']}").exists())
    deployment.down()
    assert deployment.leftovers() == []


def test_down_when_the_port_was_taken_meanwhile(deployment_of: MakeDeployment, tmp_path: Path):
    deployment, other = deployment_of(), deployment_of()
    with_a_task(deployment, tmp_path / "i")
    running = pids(deployment)
    for name in ("supervisor", "server"):
        os.kill(running[name], signal.SIGKILL)
    other.up()
    deployment.down()
    assert deployment.leftovers() == []
    assert other.status()["ready"] is True


def _gone(still: Callable[[], bool]) -> None:
    until(lambda: not still(), "its end", 120)
