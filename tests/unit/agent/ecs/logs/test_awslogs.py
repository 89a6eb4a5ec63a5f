from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from roadstead.agent.ecs.awslogs import AwsLogs
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.launch import read_task
from roadstead.agent.ecs.logs.shipper import Shipper
from roadstead.wire.docker import ContainerConfig, HostConfig, LogConfig, write
from roadstead.wire.task import Container, DockerConfig, Task

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/default/0123456789abcdef0123456789abcdef"


async def test_an_agent_that_starts_anew_goes_over_a_container_whose_log_options_were_refused(tmp_path: Path):
    host = HostConfig(log_config=LogConfig(type="awslogs", config={"awslogs-group": "g", "awslogs-nonsense": "x"}))
    docker = DockerConfig(config=write(ContainerConfig()), host_config=write(host))
    task = Task(arn=ARN, network_mode="none", containers=(Container(name="main", docker_config=docker),))
    output = AwsLogs(cast("Any", None), CredentialStore(), Shipper(tmp_path))
    output.resume(task, read_task(task)["main"], "main-1")
    await output.close("main-1")
    assert not (tmp_path / "main-1").exists()
    await output.aclose()
