from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from roadstead.agent.ecs.awslogs import AwsLogs
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.launch import read_task
from roadstead.agent.ecs.logs.shipper import Shipper
from roadstead.agent.ecs.output import OutputUnavailable
from roadstead.wire.docker import ContainerConfig, HostConfig, LogConfig, write
from roadstead.wire.task import Container, DockerConfig, Task

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
