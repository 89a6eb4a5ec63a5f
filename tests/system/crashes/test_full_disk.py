"""The data directory's disk is full: pushes are refused, tasks go on, their ends are told later, and all is well once there is space."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.support.deployment import LiveDeployment, web_image
from tests.support.namespaces import played_host
from tests.support.waiting import until
from tests.system.crashes.victims import Patient

UNTIL_TOLD = "httpd -p 80 -h /www; trap 'echo last words; exit 7' TERM; while true; do sleep 0.1; done"


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 160 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk(small_disk: Path, tmp_path: Path):
    with played_host() as host:
        deployment = LiveDeployment(host, small_disk / "data", 4566, "runc")
        try:
            deployment.up()
            patient = Patient(
                deployment,
                deployment.push(web_image(tmp_path / "web"), "web", "web"),
                deployment.role("exec"),
            )
            patient.define_all()
            arn = patient.run("web")
            page = deployment.serving(arn)
            ending = [{"name": "main", "command": ["sh", "-c", UNTIL_TOLD]}]
            deployment.define("until-told", patient.image, patient.role, ending)
            told = patient.run("until-told")
            told_page = deployment.serving(told)
            processes = patient.processes()
            big = web_image(tmp_path / "big", name="big", random_layers=(8 << 20,))
            filler = small_disk / "filler"
            _fill(filler)
            with pytest.raises((AssertionError, ClientError, BotoCoreError)) as refused:
                deployment.push(big, "big", "web")
            assert patient.answers(page)
            assert "Traceback" not in str(refused.value)
            acknowledged, refusals = _make_clusters(deployment)
            assert set(refusals) <= {503}
            assert patient.answers(told_page)
            os.kill(_program(deployment), signal.SIGTERM)
            until(lambda: not patient.answers(told_page), "the end of a program while the disk is full")
            assert deployment.task(arn)["lastStatus"] == "RUNNING"
            filler.unlink()
            until(lambda: _pushed(deployment, big), "a push with space again")
            listed = {name.rpartition("/")[2] for name in deployment.client("ecs").list_clusters()["clusterArns"]}
            assert {name for name in listed if name.startswith("c-")} == acknowledged
            ended = patient.ended(told)
            assert (ended["containers"][0]["exitCode"], ended["stopCode"]) == (7, "EssentialContainerExited")
            second = patient.run("web")
            assert patient.answers(deployment.serving(second))
            assert patient.answers(page)
            assert patient.processes() == processes, "nothing had to be restarted"
        finally:
            deployment.down()
        assert deployment.leftovers() == []


def _program(deployment: LiveDeployment) -> int:
    """The process of the task that runs until it is told."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            command, groups = (process / "cmdline").read_text(), (process / "cgroup").read_text()
            if UNTIL_TOLD in command and f"/roadstead-{deployment.tag}/" in groups:
                return int(process.name)
    raise AssertionError("its process is not there")


def _make_clusters(deployment: LiveDeployment) -> tuple[set[str], list[int]]:
    """Make clusters, as far as a full disk has room for them; those that were acknowledged, and with what the others were refused."""
    ecs, made, refused = deployment.client("ecs", retries=0), set[str](), list[int]()
    for number in range(30):
        try:
            ecs.create_cluster(clusterName=f"c-{number}")
        except ClientError as error:
            refused.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
        else:
            made.add(f"c-{number}")
    return made, refused


def _pushed(deployment: LiveDeployment, image: Path) -> bool:
    with contextlib.suppress(AssertionError, ClientError):
        return bool(deployment.push(image, "big", "web"))
    return False


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(1 << 16))
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), b"\0" * 512)
