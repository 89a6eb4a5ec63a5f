"""The data directory's disk is full: pushes are refused, tasks go on, their ends are told later, and all is well once there is space."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.support.deployment import LiveDeployment, web_image
from tests.support.namespaces import played_host
from tests.support.waiting import until
from tests.system.crashes.victims import Patient


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
            brief = patient.run("brief")
            brief_page = deployment.serving(brief)
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
            assert patient.answers(brief_page), "the brief task ended too early to prove anything"
            until(lambda: not patient.answers(brief_page), "the end of a program while the disk is full", 30)
            assert deployment.task(arn)["lastStatus"] == "RUNNING"
            filler.unlink()
            until(lambda: _pushed(deployment, big), "a push with space again")
            listed = {name.rpartition("/")[2] for name in deployment.client("ecs").list_clusters()["clusterArns"]}
            assert {name for name in listed if name.startswith("c-")} == acknowledged
            ended = patient.ended(brief)
            assert (ended["containers"][0]["exitCode"], ended["stopCode"]) == (7, "EssentialContainerExited")
            second = patient.run("web")
            assert patient.answers(deployment.serving(second))
            assert patient.answers(page)
            assert patient.processes() == processes, "nothing had to be restarted"
        finally:
            deployment.down()
        assert deployment.leftovers() == []


def _make_clusters(deployment: LiveDeployment) -> tuple[set[str], list[int]]:
    """Make clusters, as far as a full disk has room for them; those that were acknowledged, and with what the others were refused."""
    ecs, made, refused = deployment.client("ecs"), set[str](), list[int]()
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
