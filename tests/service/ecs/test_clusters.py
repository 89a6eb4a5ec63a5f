from __future__ import annotations

import pytest
from tests.support.context import OTHER, Cloud
from tests.support.pool import FARGATE, awsvpc, register_instance, start_pool

from roadstead.services.ecs.errors import (
    ClusterContainsContainerInstancesException,
    ClusterNotFoundException,
    InvalidParameterException,
)


async def test_create_describe_list_delete(cloud: Cloud) -> None:
    user = cloud.caller()
    created = (await user.call("ecs:CreateCluster", tags=[{"key": "a", "value": "b"}]))["cluster"]
    assert created["clusterArn"] == "arn:aws:ecs:us-east-1:000000000000:cluster/default"
    assert created["status"] == "ACTIVE"
    assert created["tags"] == [{"key": "a", "value": "b"}]
    assert (await user.call("ecs:CreateCluster"))["cluster"]["clusterArn"] == created["clusterArn"]
    await user.call("ecs:CreateCluster", clusterName="web")

    described = await user.call("ecs:DescribeClusters", clusters=["default", created["clusterArn"], "none"])
    assert [each["clusterName"] for each in described["clusters"]] == ["default", "default"]
    assert described["clusters"][0]["tags"] == []
    assert described["failures"] == [{"arn": "arn:aws:ecs:us-east-1:000000000000:cluster/none", "reason": "MISSING"}]
    included = await user.call("ecs:DescribeClusters", include=["TAGS", "SETTINGS"])
    assert included["clusters"][0]["tags"] == [{"key": "a", "value": "b"}]
    assert included["clusters"][0]["settings"] == [{"name": "containerInsights", "value": "disabled"}]

    first = await user.call("ecs:ListClusters", maxResults=1)
    second = await user.call("ecs:ListClusters", maxResults=1, nextToken=first["nextToken"])
    names = [arn.rsplit("/", 1)[-1] for arn in first["clusterArns"] + second["clusterArns"]]
    assert names == ["default", "web"]
    with pytest.raises(InvalidParameterException):
        await user.call("ecs:ListClusters", nextToken="made-up")

    gone = (await user.call("ecs:DeleteCluster", cluster="web"))["cluster"]
    assert gone["status"] == "INACTIVE"
    assert (await user.call("ecs:DescribeClusters", clusters=["web"]))["clusters"][0]["status"] == "INACTIVE"
    with pytest.raises(ClusterNotFoundException, match="The referenced cluster was inactive"):
        await user.call("ecs:ListTasks", cluster="web")
    assert (await user.call("ecs:CreateCluster", clusterName="web"))["cluster"]["status"] == "ACTIVE"


async def test_accounts_and_regions_are_apart(cloud: Cloud) -> None:
    await cloud.caller().call("ecs:CreateCluster")
    for stranger in (cloud.caller(OTHER), cloud.caller(region="eu-west-1")):
        assert (await stranger.call("ecs:ListClusters"))["clusterArns"] == []
        with pytest.raises(ClusterNotFoundException, match=r"Cluster not found\."):
            await stranger.call("ecs:ListTasks", cluster="arn:aws:ecs:us-east-1:000000000000:cluster/default")


async def test_a_cluster_with_instances_stays(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    arn = await register_instance(user, "default", cpu=1, memory=1)
    with pytest.raises(ClusterContainsContainerInstancesException):
        await user.call("ecs:DeleteCluster", cluster="default")
    await user.call("ecs:DeregisterContainerInstance", containerInstance=arn)
    await user.call("ecs:DeleteCluster", cluster="default")


@pytest.mark.parametrize("name", ["a b", "x" * 256, "ü"])
async def test_names(cloud: Cloud, name: str) -> None:
    with pytest.raises(InvalidParameterException):
        await cloud.caller().call("ecs:CreateCluster", clusterName=name)


@pytest.mark.parametrize("value", ["bogus", "ENABLED", ""])
async def test_settings_that_are_none(cloud: Cloud, value: str) -> None:
    with pytest.raises(InvalidParameterException, match="Invalid setting 'value'"):
        await cloud.caller().call("ecs:CreateCluster", settings=[{"name": "containerInsights", "value": value}])


async def test_settings(cloud: Cloud) -> None:
    settings = [{"name": "containerInsights", "value": "enhanced"}]
    created = await cloud.caller().call("ecs:CreateCluster", settings=settings)
    assert created["cluster"]["settings"] == settings


@pytest.mark.parametrize("number", [0, -1, 101])
async def test_pages_have_1_to_100_items(cloud: Cloud, number: int) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    lists = ("Clusters", "Tasks", "TaskDefinitions", "TaskDefinitionFamilies", "ContainerInstances")
    for operation in lists:
        with pytest.raises(InvalidParameterException, match="maxResults must be between 1 and 100"):
            await user.call(f"ecs:List{operation}", maxResults=number)


async def test_statistics_are_counted_by_launch_type(cloud: Cloud) -> None:
    user = cloud.caller()
    pool = await start_pool(cloud)
    await user.call("ecs:CreateCluster")
    await register_instance(user, "default", cpu=1024, memory=1024)
    await user.call("ecs:RegisterTaskDefinition", **FARGATE)
    container = {"name": "app", "image": "busybox", "memory": 64}
    await user.call("ecs:RegisterTaskDefinition", family="own", containerDefinitions=[container])
    network = await awsvpc(user)
    on_fargate = await user.call(
        "ecs:RunTask", taskDefinition="web", launchType="FARGATE", networkConfiguration=network, count=2
    )
    own = await user.call("ecs:RunTask", taskDefinition="own", count=3)
    assert on_fargate["failures"] == own["failures"] == []
    await pool.carry_out()
    await pool.report(on_fargate["tasks"][0]["taskArn"], "RUNNING")
    for task, status in zip(own["tasks"], ("RUNNING", "STOPPED"), strict=False):
        await user.call("ecs:SubmitTaskStateChange", task=task["taskArn"], status=status)

    described = (await user.call("ecs:DescribeClusters", include=["STATISTICS"]))["clusters"][0]
    assert {each["name"]: each["value"] for each in described["statistics"]} == {
        "runningEC2TasksCount": "1",
        "pendingEC2TasksCount": "1",
        "activeEC2ServiceCount": "0",
        "drainingEC2ServiceCount": "0",
        "runningFargateTasksCount": "1",
        "pendingFargateTasksCount": "1",
        "activeFargateServiceCount": "0",
        "drainingFargateServiceCount": "0",
    }
    assert (described["runningTasksCount"], described["pendingTasksCount"]) == (2, 2)
    assert (await user.call("ecs:DescribeClusters"))["clusters"][0]["statistics"] == []
