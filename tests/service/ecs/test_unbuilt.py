"""What a task asks for is given, refused, or refused by name: a task never starts without it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.ecs.helpers import prepared
from tests.support.context import Caller, Cloud
from tests.support.pool import TRUST, Pool, awsvpc, register_instance

from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.services.ecs.launch import CAPACITY_UNAVAILABLE
from roadstead.services.ecs.payloads import volume_payload


async def run(user: Caller, **more: Any) -> dict[str, Any]:
    network = await awsvpc(user)
    return await user.call(
        "ecs:RunTask", **{"taskDefinition": "web", "launchType": "FARGATE", "networkConfiguration": network, **more}
    )


EFS = {"volumes": [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}}]}


@pytest.mark.parametrize(
    ("definition", "request_", "named"),
    [
        (EFS, {}, "volumes[data].efsVolumeConfiguration"),
        ({"pidMode": "task"}, {}, "pidMode"),
        ({"ephemeralStorage": {"sizeInGiB": 30}}, {}, "ephemeralStorage"),
        ({"trustedExecutionConfiguration": {"isolationMode": "SHARED"}}, {}, "trustedExecutionConfiguration"),
        ({}, {"enableExecuteCommand": True}, "enableExecuteCommand"),
        (
            {},
            {"volumeConfigurations": [{"name": "data", "managedEBSVolume": {"roleArn": "arn:aws:iam::0:role/x"}}]},
            "volumeConfigurations",
        ),
    ],
)
async def test_run_task_names_what_is_not_built(
    cloud: Cloud, definition: dict[str, Any], request_: dict[str, Any], named: str
) -> None:
    """The definition is kept as it was given: it is data of whoever manages it."""
    user, pool = await prepared(cloud, **definition)
    kept = (await user.call("ecs:DescribeTaskDefinition", taskDefinition="web"))["taskDefinition"]
    assert {name: kept[name] for name in definition} == definition
    with pytest.raises(NotImplementedByRoadstead) as caught:
        await run(user, **request_)
    assert str(caught.value) == f"Tasks of launch type FARGATE with {named} are not implemented by Roadstead."
    assert (await user.call("ecs:ListTasks"))["taskArns"] == []
    assert await pool.outgoing() == []


@pytest.mark.parametrize(
    "platform", [{"cpuArchitecture": "ARM64"}, {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}]
)
async def test_there_is_no_capacity_of_another_platform(cloud: Cloud, platform: dict[str, str]) -> None:
    user, pool = await prepared(cloud, runtimePlatform=platform)
    response = await run(user)
    assert (response["tasks"], response["failures"]) == ([], [{"reason": CAPACITY_UNAVAILABLE}])
    assert await pool.outgoing() == []


async def test_capacity_of_the_platform_that_is_there(cloud: Cloud) -> None:
    user, _ = await prepared(cloud, runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"})
    response = await run(user)
    assert (len(response["tasks"]), response["failures"]) == (1, [])


async def test_an_instance_of_another_platform_says_so(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    container = {"name": "app", "image": "busybox", "memory": 64}
    await user.call(
        "ecs:RegisterTaskDefinition",
        family="web",
        containerDefinitions=[container],
        runtimePlatform={"cpuArchitecture": "ARM64"},
    )
    arn = await register_instance(user, "default", cpu=1024, memory=1024)
    response = await user.call("ecs:RunTask", taskDefinition="web")
    assert response["failures"] == [{"arn": arn, "reason": "ATTRIBUTE"}]


async def test_what_the_agent_decides_reaches_it(cloud: Cloud) -> None:
    """On an instance it may be Amazon's own agent, which can more than ours."""
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    file = {"type": "s3", "value": "arn:aws:s3:::bucket/app.env"}
    container = {"name": "app", "image": "busybox", "memory": 64, "environmentFiles": [file], "interactive": True}
    await user.call(
        "ecs:RegisterTaskDefinition", family="web", containerDefinitions=[container], pidMode="task", ipcMode="none"
    )
    sharing = {"ecs.capability.pid-ipc-namespace-sharing": ""}
    pool = Pool(cloud, await register_instance(user, "default", cpu=1024, memory=1024, **sharing))
    await user.call("ecs:RunTask", taskDefinition="web")
    [sent] = await pool.outgoing()
    assert (sent.task.pid_mode, sent.task.ipc_mode) == ("task", "none")
    [told] = sent.task.containers[0].environment_files
    assert (told.type, told.value) == ("s3", "arn:aws:s3:::bucket/app.env")


@pytest.mark.parametrize(
    ("member", "value", "kind"),
    [
        ("efsVolumeConfiguration", {"fileSystemId": "fs-1"}, "efs"),
        ("fsxWindowsFileServerVolumeConfiguration", {"fileSystemId": "fs-1"}, "fsxWindowsFileServer"),
        ("s3filesVolumeConfiguration", {"fileSystemArn": "arn"}, "s3files"),
        ("configuredAtLaunch", True, "ebs"),
        ("dockerVolumeConfiguration", {"scope": "task"}, "docker"),
        ("host", {"sourcePath": "/data"}, "host"),
    ],
)
def test_a_volume_never_becomes_one_of_another_kind(member: str, value: object, kind: str) -> None:
    """Also of a task that an older server let start: its agent refuses what it has no volume for."""
    made = volume_payload({"name": "data", member: value})
    assert (made.name, made.type, made.host is not None) == ("data", kind, kind == "host")


async def test_what_a_task_is_told_of_itself(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    override = {"name": "app", "cpu": 64, "memory": 128, "memoryReservation": 96}
    response = await run(user, group="batch", referenceId="r", overrides={"containerOverrides": [override]})
    assert response["tasks"][0]["group"] == "batch"
    [sent] = await pool.outgoing()
    container = sent.task.containers[0]
    assert (sent.task.group, container.cpu, container.memory) == ("batch", 64, 128)
    assert container.docker_config is not None
    assert f'"MemoryReservation":{96 << 20}' in container.docker_config.host_config


async def test_roles_are_overridden(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    for name in ("app", "execution"):
        await user.call("iam:CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST)
    await run(user, overrides={"taskRoleArn": "app", "executionRoleArn": "execution"})
    [sent] = await pool.outgoing()
    assert sent.task.role_credentials is not None
    assert sent.task.execution_role_credentials is not None
    assert sent.task.role_credentials.role_arn == "arn:aws:iam::000000000000:role/app"
    assert sent.task.execution_role_credentials.role_arn == "arn:aws:iam::000000000000:role/execution"


async def test_tags_that_a_task_inherits(cloud: Cloud) -> None:
    user, _ = await prepared(cloud, tags=[{"key": "team", "value": "a"}, {"key": "cost", "value": "b"}])
    response = await run(
        user, propagateTags="TASK_DEFINITION", enableECSManagedTags=True, tags=[{"key": "team", "value": "own"}]
    )
    tags = {each["key"]: each["value"] for each in response["tasks"][0]["tags"]}
    assert tags == {"team": "own", "cost": "b", "aws:ecs:clusterName": "default"}


async def test_no_address_is_public(cloud: Cloud) -> None:
    """A VPC has no way to the internet yet; the interface says of itself what it has."""
    user, _ = await prepared(cloud)
    network = await awsvpc(user)
    assert network["awsvpcConfiguration"]["assignPublicIp"] == "ENABLED"
    await run(user, networkConfiguration=network)
    [interface] = (await user.call("ec2:DescribeNetworkInterfaces"))["NetworkInterfaces"]
    assert "Association" not in interface
