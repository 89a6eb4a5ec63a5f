"""Instances of a user's own cluster, and tasks placed on them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.context import Caller, Cloud
from tests.support.pool import PLATFORM, awsvpc, register_instance

from roadstead.services.ecs import api as ecs
from roadstead.services.ecs.errors import ClientException, InvalidParameterException

BRIDGE: dict[str, Any] = {
    "family": "web",
    "containerDefinitions": [
        {
            "name": "app",
            "image": "busybox",
            "cpu": 256,
            "memory": 512,
            "logConfiguration": {"logDriver": "json-file"},
            "portMappings": [{"containerPort": 80, "hostPort": 8080}],
        }
    ],
}
ABLE = {"com.amazonaws.ecs.capability.logging-driver.json-file": ""}


async def prepared(cloud: Cloud) -> tuple[Caller, str]:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    await user.call("ecs:RegisterTaskDefinition", **BRIDGE)
    return user, await register_instance(user, "default", cpu=1024, memory=1024, **ABLE)


async def describe(user: Caller, arn: str) -> dict[str, Any]:
    response = await user.call("ecs:DescribeContainerInstances", containerInstances=[arn])
    return response["containerInstances"][0]


def remaining(instance: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("stringSetValue", each["integerValue"]) for each in instance["remainingResources"]}


async def test_the_cluster_must_exist_in_the_words_that_agents_know(cloud: Cloud) -> None:
    with pytest.raises(ClientException, match=r"^Cluster not found\.$"):
        await cloud.caller().call("ecs:RegisterContainerInstance", cluster="default")


async def test_registering(cloud: Cloud) -> None:
    user, arn = await prepared(cloud)
    instance = await describe(user, arn)
    assert instance["status"] == "ACTIVE"
    assert instance["agentConnected"] is True
    names = {each["name"]: each.get("value") for each in instance["attributes"]}
    assert names == {**PLATFORM, **ABLE, "ecs.availability-zone": "us-east-1a"}
    assert remaining(instance) == {"CPU": 1024, "MEMORY": 1024, "PORTS": ["22", "2375"], "PORTS_UDP": []}
    again = await user.call(
        "ecs:RegisterContainerInstance",
        containerInstanceArn=arn,
        totalResources=[{"name": "CPU", "type": "INTEGER", "integerValue": 2048}],
    )
    assert again["containerInstance"]["containerInstanceArn"] == arn
    assert remaining(again["containerInstance"])["CPU"] == 2048


async def test_a_client_token_registers_once(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    first = await user.call("ecs:RegisterContainerInstance", clientToken="t")
    second = await user.call("ecs:RegisterContainerInstance", clientToken="t")
    assert first["containerInstance"]["containerInstanceArn"] == second["containerInstance"]["containerInstanceArn"]


async def test_client_tokens_in_a_cluster_with_a_long_name_are_different(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster", clusterName="c" * 255)
    arns = {
        (await user.call("ecs:RegisterContainerInstance", cluster="c" * 255, clientToken=token))["containerInstance"][
            "containerInstanceArn"
        ]
        for token in ("a", "b", "a")
    }
    assert len(arns) == 2


async def test_a_client_token_of_an_instance_that_is_gone_registers_another(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    first = (await user.call("ecs:RegisterContainerInstance", clientToken="t"))["containerInstance"]
    await user.call("ecs:DeregisterContainerInstance", containerInstance=first["containerInstanceArn"])
    second = (await user.call("ecs:RegisterContainerInstance", clientToken="t"))["containerInstance"]
    assert second["status"] == "ACTIVE"
    assert second["containerInstanceArn"] != first["containerInstanceArn"]


async def test_resources_that_nobody_knows_are_no_capacity(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    odd = [{"type": "INTEGER", "integerValue": 1}, {"type": "STRINGSET", "stringSetValue": ["9" * 5000]}]
    answer = await user.call("ecs:RegisterContainerInstance", totalResources=odd)
    assert remaining(answer["containerInstance"]) == {"CPU": 0, "MEMORY": 0, "PORTS": [], "PORTS_UDP": []}


@pytest.mark.parametrize("member", ["placementConstraints", "placementStrategy"])
async def test_what_places_a_task_has_a_type(cloud: Cloud, member: str) -> None:
    user, _ = await prepared(cloud)
    with pytest.raises(InvalidParameterException, match="must have a type"):
        await user.call("ecs:RunTask", taskDefinition="web", **{member: [{}]})


async def test_the_pool_learns_its_runtime(cloud: Cloud) -> None:
    response = await cloud.host.call("ecs:RegisterContainerInstance", cluster="fargate")
    names = {each["name"]: each.get("value") for each in response["containerInstance"]["attributes"]}
    assert names["roadstead.fargate-runtime"] == "gvisor"


async def test_placement_books_cpu_memory_and_ports(cloud: Cloud) -> None:
    user, arn = await prepared(cloud)
    started = await user.call("ecs:RunTask", taskDefinition="web")
    task = started["tasks"][0]
    assert (task["lastStatus"], task["containerInstanceArn"]) == ("PENDING", arn)
    instance = await describe(user, arn)
    assert remaining(instance) == {"CPU": 768, "MEMORY": 512, "PORTS": ["22", "2375", "8080"], "PORTS_UDP": []}
    assert instance["pendingTasksCount"] == 1
    taken = await user.call("ecs:RunTask", taskDefinition="web")
    assert taken["failures"] == [{"arn": arn, "reason": "RESOURCE:PORTS"}]
    assert (await user.call("ecs:ListTasks", containerInstance=arn))["taskArns"] == [task["taskArn"]]

    await user.call("ecs:SubmitTaskStateChange", task=task["taskArn"], status="RUNNING")
    binding = {"bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 8080, "protocol": "tcp"}
    await user.call(
        "ecs:SubmitContainerStateChange",
        task=task["taskArn"],
        containerName="app",
        status="RUNNING",
        networkBindings=[binding],
    )
    described = (await user.call("ecs:DescribeTasks", tasks=[task["taskArn"]]))["tasks"][0]
    assert described["containers"][0]["networkBindings"] == [binding]
    await user.call("ecs:SubmitTaskStateChange", task=task["taskArn"], status="STOPPED")
    ended = (await user.call("ecs:DescribeTasks", tasks=[task["taskArn"]]))["tasks"][0]
    assert ended["lastStatus"] == "STOPPED"
    assert remaining(await describe(user, arn))["PORTS"] == ["22", "2375"]


async def test_why_no_instance_takes_a_task(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    await user.call("ecs:RegisterTaskDefinition", **BRIDGE)
    with pytest.raises(InvalidParameterException, match="No Container Instances were found in your cluster"):
        await user.call("ecs:RunTask", taskDefinition="web")
    arn = await register_instance(user, "default", cpu=1024, memory=256, **ABLE)
    small = await user.call("ecs:RunTask", taskDefinition="web")
    assert small["failures"] == [{"arn": arn, "reason": "RESOURCE:MEMORY"}]
    await cloud.store.run(lambda tx: ecs.agent_gone(tx, arn, server="s"))
    away = await user.call("ecs:RunTask", taskDefinition="web")
    assert away["failures"] == [{"arn": arn, "reason": "AGENT"}]


@pytest.mark.parametrize("override", [{"memory": -512}, {"memoryReservation": -512}, {"cpu": -256}])
async def test_no_override_gives_an_instance_more_than_it_has(cloud: Cloud, override: dict[str, int]) -> None:
    user, arn = await prepared(cloud)
    overrides = {"containerOverrides": [{"name": "app", **override}]}
    with pytest.raises(ClientException, match=r"Invalid '.*' setting for container 'app'"):
        await user.call("ecs:RunTask", taskDefinition="web", overrides=overrides)
    assert remaining(await describe(user, arn))["MEMORY"] == 1024


async def test_deregistering(cloud: Cloud) -> None:
    user, arn = await prepared(cloud)
    task = (await user.call("ecs:RunTask", taskDefinition="web"))["tasks"][0]
    with pytest.raises(InvalidParameterException, match="Found running tasks on the instance"):
        await user.call("ecs:DeregisterContainerInstance", containerInstance=arn)
    before = (await describe(user, arn))["version"]
    gone = await user.call("ecs:DeregisterContainerInstance", containerInstance=arn, force=True)
    assert gone["containerInstance"]["version"] == before + 2  # the task gave back what it had, the instance went
    assert gone["containerInstance"]["status"] == "INACTIVE"
    assert (await user.call("ecs:ListContainerInstances"))["containerInstanceArns"] == []
    ended = (await user.call("ecs:DescribeTasks", tasks=[task["taskArn"]]))["tasks"][0]
    assert ended["lastStatus"] == "STOPPED"
    missing = await user.call("ecs:DescribeContainerInstances", containerInstances=["unknown"])
    assert missing["failures"][0]["reason"] == "MISSING"


async def test_filter(cloud: Cloud) -> None:
    user, arn = await prepared(cloud)
    await register_instance(user, "default", cpu=1, memory=1, **{"ecs.availability-zone": "us-east-1b"})
    listed = await user.call("ecs:ListContainerInstances", filter="attribute:ecs.availability-zone == us-east-1a")
    assert listed["containerInstanceArns"] == [arn]
    for filter in ("(", "runningTasksCount > 1"):
        with pytest.raises(InvalidParameterException):
            await user.call("ecs:ListContainerInstances", filter=filter)
    constraint = {"type": "memberOf", "expression": "runningTasksCount > 1"}
    with pytest.raises(InvalidParameterException):
        await user.call("ecs:RunTask", taskDefinition="web", placementConstraints=[constraint])


async def test_tags(cloud: Cloud) -> None:
    user, arn = await prepared(cloud)
    await user.call("ecs:TagResource", resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    await user.call("ecs:TagResource", resourceArn=arn, tags=[{"key": "a", "value": "3"}])
    await user.call("ecs:UntagResource", resourceArn=arn, tagKeys=["b"])
    assert (await user.call("ecs:ListTagsForResource", resourceArn=arn))["tags"] == [{"key": "a", "value": "3"}]
    with pytest.raises(InvalidParameterException):
        await user.call("ecs:ListTagsForResource", resourceArn=arn + "x")


async def test_poll_endpoint(cloud: Cloud) -> None:
    endpoints = await cloud.caller().call("ecs:DiscoverPollEndpoint")
    assert endpoints == {"endpoint": "http://127.0.0.1:4566", "telemetryEndpoint": "http://127.0.0.1:4566/tcs"}


async def test_no_interface_for_an_instance_that_lies_on_no_host_of_ours(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    await user.call(
        "ecs:RegisterTaskDefinition",
        **{**BRIDGE, "containerDefinitions": [{"name": "a", "image": "b", "memory": 64}], "networkMode": "awsvpc"},
    )
    arn = await register_instance(user, "default", cpu=1024, memory=256, host="h1", **{"ecs.capability.task-eni": ""})
    network = await awsvpc(user)
    del network["awsvpcConfiguration"]["assignPublicIp"]
    refused = await user.call("ecs:RunTask", taskDefinition="web", networkConfiguration=network)
    assert refused["failures"] == [{"arn": arn, "reason": "RESOURCE:ENI"}]
