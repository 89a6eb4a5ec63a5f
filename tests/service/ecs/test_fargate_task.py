"""A task on Fargate from RunTask to STOPPED, as its owner, its agent and its host see it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.service.ecs.helpers import describe, prepared, run
from tests.support.context import OTHER, Cloud
from tests.support.pool import awsvpc

from roadstead.controllers.controller import Shard
from roadstead.controllers.tasks import reconcile
from roadstead.kernel.errors import ServiceError
from roadstead.services.ecs import api as ecs
from roadstead.services.ecs.errors import (
    ClientException,
    ConflictException,
    InvalidParameterException,
)
from roadstead.store.leases import LeaseHolder


async def controllers(cloud: Cloud) -> None:
    lease = await LeaseHolder(cloud.store, "test").acquire("controller/tasks", timedelta(hours=1000))
    assert lease is not None
    await reconcile(Shard(cloud.store, lease))


async def test_runs_and_stops(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    task = await run(user, tags=[{"key": "a", "value": "b"}], startedBy="me")
    assert task["lastStatus"] == "PROVISIONING"
    assert task["desiredStatus"] == "RUNNING"
    assert task["platformVersion"] == "1.4.0"
    assert task["group"] == "family:web"
    assert task["tags"] == [{"key": "a", "value": "b"}]
    assert "containerInstanceArn" not in task
    details = {each["name"]: each["value"] for each in task["attachments"][0]["details"]}
    assert details["privateIPv4Address"] == "172.31.0.4"
    assert task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] == "172.31.0.4"
    eni = (await user.call("ec2:DescribeNetworkInterfaces"))["NetworkInterfaces"][0]
    assert eni["NetworkInterfaceId"] == details["networkInterfaceId"]
    assert eni["MacAddress"] == details["macAddress"]

    [sent] = await pool.outgoing()
    assert sent.task.desired_status == "RUNNING"
    assert sent.task.elastic_network_interfaces[0].subnet_gateway_ipv4_address == "172.31.0.1/20"
    assert {each.kind for each in await pool.resources()} == {"vpc", "subnet", "interface"}
    await pool.ack(sent)
    assert await pool.outgoing() == []

    await pool.carry_out()
    await controllers(cloud)
    assert (await describe(user, task["taskArn"]))["lastStatus"] == "PENDING"
    await pool.report(
        task["taskArn"],
        "RUNNING",
        containers=[{"containerName": "app", "status": "RUNNING", "runtimeId": "r1", "imageDigest": "sha256:1"}],
    )
    running = await describe(user, task["taskArn"])
    assert running["lastStatus"] == "RUNNING"
    assert running["connectivity"] == "CONNECTED"
    assert running["containers"][0]["runtimeId"] == "r1"
    assert running["attachments"][0]["status"] == "ATTACHED"
    cluster = (await user.call("ecs:DescribeClusters"))["clusters"][0]
    assert (cluster["runningTasksCount"], cluster["pendingTasksCount"]) == (1, 0)

    stopping = (await user.call("ecs:StopTask", task=task["taskArn"]))["task"]
    assert stopping["desiredStatus"] == "STOPPED"
    assert stopping["stopCode"] == "UserInitiated"
    assert stopping["stoppedReason"] == "Task stopped by user"
    [stop] = await pool.outgoing(sent.seq)
    assert stop.task.desired_status == "STOPPED"
    assert (await user.call("ecs:ListTasks"))["taskArns"] == []
    assert (await user.call("ecs:ListTasks", desiredStatus="STOPPED"))["taskArns"] == [task["taskArn"]]

    await pool.report(
        task["taskArn"], "STOPPED", containers=[{"containerName": "app", "status": "STOPPED", "exitCode": 143}]
    )
    assert (await describe(user, task["taskArn"]))["lastStatus"] == "DEPROVISIONING"
    await controllers(cloud)
    assert (await describe(user, task["taskArn"]))["lastStatus"] == "DEPROVISIONING"
    await pool.carry_out()
    await controllers(cloud)
    stopped = await describe(user, task["taskArn"])
    assert stopped["lastStatus"] == "STOPPED"
    assert stopped["containers"][0]["exitCode"] == 143
    assert stopped["attachments"][0]["status"] == "DELETED"
    assert (await user.call("ec2:DescribeNetworkInterfaces"))["NetworkInterfaces"] == []
    assert {each.kind for each in await pool.resources()} == {"vpc", "subnet"}

    cloud.clock.move(timedelta(hours=1))
    await controllers(cloud)
    gone = await user.call("ecs:DescribeTasks", tasks=[task["taskArn"]])
    assert gone["failures"] == [{"arn": task["taskArn"], "reason": "MISSING"}]


async def test_a_task_that_fails_to_start_says_why(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    task = await run(user)
    reason = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"
    await pool.report(
        task["taskArn"],
        "STOPPED",
        reason=reason,
        containers=[{"containerName": "app", "status": "STOPPED", "reason": reason}],
    )
    failed = await describe(user, task["taskArn"])
    assert failed["stopCode"] == "TaskFailedToStart"
    assert failed["stoppedReason"] == reason
    assert failed["containers"][0]["reason"] == reason
    assert "startedAt" not in failed


async def test_an_agent_that_is_away_for_a_moment_does_not_show(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    await cloud.store.run(lambda tx: ecs.agent_gone(tx, pool.arn, server="s"))
    cloud.clock.move(timedelta(seconds=50))
    task = await run(user)
    assert [each.task.arn for each in await pool.outgoing()] == [task["taskArn"]]
    cloud.clock.move(timedelta(seconds=20))
    network = await awsvpc(user)
    late = await user.call("ecs:RunTask", taskDefinition="web", launchType="FARGATE", networkConfiguration=network)
    assert late["failures"][0]["reason"].startswith("Capacity is unavailable at this time")


async def test_capacity_is_booked_and_given_back(cloud: Cloud) -> None:
    user, pool = await prepared(cloud, cpu="2048", memory="4096")
    task = await run(user)
    network = await awsvpc(user)
    full = await user.call("ecs:RunTask", taskDefinition="web", launchType="FARGATE", networkConfiguration=network)
    assert full["tasks"] == []
    assert full["failures"][0]["reason"].startswith("Capacity is unavailable at this time")
    await pool.report(task["taskArn"], "STOPPED")
    assert (await run(user))["taskArn"] != task["taskArn"]


async def test_a_client_token_starts_once(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    task = await run(user, clientToken="once")
    assert (await run(user, clientToken="once"))["taskArn"] == task["taskArn"]
    with pytest.raises(ConflictException) as refused:
        await run(user, clientToken="once", startedBy="else")
    assert refused.value.members == {"resourceIds": [task["taskArn"]]}
    assert len(await pool.outgoing()) == 1


async def test_a_role_must_be_passed_and_assumable(cloud: Cloud) -> None:
    user, _ = await prepared(cloud, taskRoleArn="missing")
    assert ("iam:PassRole", ["arn:aws:iam::000000000000:role/missing"]) in user.asked
    with pytest.raises(ClientException, match="ECS was unable to assume the role"):
        await run(user)
    user.denied.add("iam:PassRole")
    with pytest.raises(PermissionError):
        await run(user)


async def test_only_the_agent_of_its_instance_reports_a_task(cloud: Cloud) -> None:
    user, _ = await prepared(cloud)
    task = await run(user)
    for caller in (user, cloud.caller(OTHER)):
        with pytest.raises(InvalidParameterException, match=r"The referenced task was not found."):
            await caller.call("ecs:SubmitTaskStateChange", task=task["taskArn"], status="STOPPED")


async def test_a_stop_that_no_agent_hears_is_given_up(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    task = await run(user)
    await cloud.store.run(lambda tx: ecs.agent_gone(tx, pool.arn, server="s"))
    assert (await describe(user, task["taskArn"]))["connectivity"] == "DISCONNECTED"
    await user.call("ecs:StopTask", task=task["taskArn"], reason="enough")
    await controllers(cloud)
    assert (await describe(user, task["taskArn"]))["lastStatus"] == "STOPPING"
    cloud.clock.move(timedelta(minutes=1))
    await controllers(cloud)
    given_up = await describe(user, task["taskArn"])
    assert given_up["lastStatus"] == "DEPROVISIONING"
    assert given_up["stoppedReason"] == "enough"


async def test_an_interface_that_never_comes_fails_the_task(cloud: Cloud) -> None:
    user, _ = await prepared(cloud)
    task = await run(user)
    cloud.clock.move(timedelta(minutes=5))
    await controllers(cloud)
    failed = await describe(user, task["taskArn"])
    assert failed["stopCode"] == "TaskFailedToStart"
    assert failed["stoppedReason"] == "Timeout waiting for network interface provisioning to complete."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"networkConfiguration": None},
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}, "subnets can not be empty."),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-12345678"]}}},
            "Error retrieving subnet information for [subnet-12345678]",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "app", "command": ["x" * 8192]}]}},
            "Container Overrides length must be at most 8192",
        ),
        ({"group": "x" * 1025}, "group cannot be longer than 1024 characters."),
        ({"count": 11}, "count must be between 1 and 10."),
        ({"count": 0}, "count must be between 1 and 10."),
        ({"taskDefinition": "web:7"}, "TaskDefinition not found."),
        (
            {"placementStrategy": [{"type": "random"}]},
            "Placement strategies are not supported with FARGATE launch type.",
        ),
        ({"overrides": {"containerOverrides": [{"name": "x"}]}}, "Override for container named x is not a container"),
        ({"overrides": {"cpu": "300"}}, "No Fargate configuration exists for given values: 300 CPU, 512 memory."),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
            "Specify either Launch Type or Capacity Provider Strategy, but not both.",
        ),
        ({"platformVersion": "9"}, "The specified platform does not exist."),
        ({"cluster": "nowhere"}, "Cluster not found."),
    ],
)
async def test_refusals(cloud: Cloud, change: dict[str, Any], message: str) -> None:
    user, _ = await prepared(cloud)
    request: dict[str, Any] = {
        "taskDefinition": "web",
        "launchType": "FARGATE",
        "networkConfiguration": await awsvpc(user),
        **change,
    }
    request = {name: value for name, value in request.items() if value is not None}
    with pytest.raises(ServiceError) as caught:
        await user.call("ecs:RunTask", **request)
    assert str(caught.value).startswith(message)


async def test_capacity_providers(cloud: Cloud) -> None:
    user, _ = await prepared(cloud)
    await user.call("ecs:CreateCluster", clusterName="spot", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    strategy = [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 0},
        {"capacityProvider": "FARGATE_SPOT", "weight": 1},
    ]
    response = await user.call(
        "ecs:RunTask",
        cluster="spot",
        count=3,
        taskDefinition="web",
        capacityProviderStrategy=strategy,
        networkConfiguration=await awsvpc(user),
    )
    names = [task["capacityProviderName"] for task in response["tasks"]]
    assert names == ["FARGATE", "FARGATE_SPOT", "FARGATE_SPOT"]
    addresses = {task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] for task in response["tasks"]}
    assert len(addresses) == 3
