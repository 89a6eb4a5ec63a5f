from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.support.waiting import reached

from roadstead.agent.client import CredentialSource
from roadstead.agent.ecs.awslogs import AwsLogs
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.launch import read_task, runtime_id
from roadstead.agent.ecs.logs.bound import load_bound
from roadstead.agent.ecs.logs.shipper import Shipper
from roadstead.agent.ecs.output import OutputUnavailable
from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.core.taskengine.model import Desired
from roadstead.wire.docker import ContainerConfig, HostConfig, LogConfig, write
from roadstead.wire.task import Container, DockerConfig, IAMRoleCredentials, Task

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/default/0123456789abcdef0123456789abcdef"


def logging(**options: str) -> Task:
    config = {"awslogs-group": "g", **{name.replace("_", "-"): value for name, value in options.items()}}
    docker = DockerConfig(
        config=write(ContainerConfig()),
        host_config=write(HostConfig(log_config=LogConfig(type="awslogs", config=config))),
    )
    return Task(arn=ARN, network_mode="none", containers=(Container(name="main", docker_config=docker),))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"awslogs_multiline_pattern": "^x"}, "log option awslogs-multiline-pattern is not supported"),
        ({"awslogs_endpoint": "http://127.0.0.1:1"}, "log option awslogs-endpoint is not supported"),
        ({"mode": "blocking"}, "log option mode=blocking is not supported"),
        ({"max_buffer_size": "much"}, "max-buffer-size: invalid size: 'much'"),
    ],
)
async def test_options_that_are_not_carried_out_are_refused(tmp_path: Path, options: dict[str, str], named: str):
    task = logging(**options)
    output = AwsLogs(cast("Any", None), CredentialStore(), Shipper(tmp_path))
    with pytest.raises(OutputUnavailable, match=named):
        await output.open(task, read_task(task)["main"], "main-1")
    await output.aclose()


async def test_an_agent_that_starts_anew_goes_over_a_container_whose_log_options_were_refused(tmp_path: Path):
    task = logging(awslogs_nonsense="x")
    output = AwsLogs(cast("Any", None), CredentialStore(), Shipper(tmp_path))
    output.resume(task, read_task(task)["main"], "main-1")
    await output.close("main-1")
    assert not (tmp_path / "main-1").exists()
    await output.aclose()


async def test_a_buffer_size_bounds_what_waits_for_being_taken(tmp_path: Path):
    task = logging(max_buffer_size="25m", mode="non-blocking")
    output = AwsLogs(cast("Any", None), CredentialStore(), Shipper(tmp_path))
    output.resume(task, read_task(task)["main"], "main-1")
    assert load_bound(tmp_path / "main-1", 64 << 20) == 25 << 20
    await output.aclose()


class Logs:
    """Takes every batch, and says whose keys it was signed with."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str]]] = []

    async def call(
        self,
        _: str,
        operation: str,
        request: Mapping[str, Any],
        *__: object,
        credentials: CredentialSource,
        **___: object,
    ) -> None:
        assert operation == "PutLogEvents"
        self.taken.append((credentials.current().access_key_id, [each["message"] for each in request["logEvents"]]))


async def test_what_a_finished_task_said_last_is_carried_on_by_an_agent_that_starts_anew(tmp_path: Path):
    keys = IAMRoleCredentials(credentials_id="c", access_key_id="its own", secret_access_key="s")
    task = msgspec.structs.replace(logging(), execution_role_credentials=keys)
    name = runtime_id(task, "main", 0)
    (tmp_path / name).mkdir()
    (tmp_path / name / "stdout").write_text("last words\n")
    containers = {"main": ContainerRecord(name="main", runtime_id=name)}
    record = TaskRecord(task=task, desired=Desired.RUNNING, containers=containers, received_at=0.0)
    logs = Logs()
    output = AwsLogs(cast("Any", logs), CredentialStore(), Shipper(tmp_path))
    output.adopt([record])
    await reached(lambda: not (tmp_path / name).exists(), "the output was carried on")
    await output.aclose()
    assert logs.taken == [("its own", ["last words"])]


async def test_output_that_can_not_be_carried_on_keeps_no_agent_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT and path.name == "stderr":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, flags, *mode)

    opened = os.open
    monkeypatch.setattr(os, "open", full)
    before = len(list(Path("/proc/self/fd").iterdir()))
    task = logging()
    output = AwsLogs(cast("Any", None), CredentialStore(), Shipper(tmp_path / "output"))
    output.resume(task, read_task(task)["main"], "main-1")
    output.adopt([])
    await output.close("main-1")
    await output.aclose()
    assert (tmp_path / "output" / "main-1").exists(), "the next agent may carry it on"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
