from __future__ import annotations

import pytest
from tests.support.context import Cloud
from tests.support.pool import FARGATE

from roadstead.services.ecs.errors import ClientException


async def test_revisions(cloud: Cloud) -> None:
    user = cloud.caller()
    first = await user.call("ecs:RegisterTaskDefinition", **FARGATE, tags=[{"key": "a", "value": "b"}])
    assert first["taskDefinition"]["taskDefinitionArn"] == "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1"
    assert first["tags"] == [{"key": "a", "value": "b"}]
    second = await user.call("ecs:RegisterTaskDefinition", **FARGATE)
    assert second["taskDefinition"]["revision"] == 2
    latest = await user.call("ecs:DescribeTaskDefinition", taskDefinition="web")
    assert latest["taskDefinition"]["revision"] == 2
    tagged = await user.call("ecs:DescribeTaskDefinition", taskDefinition="web:1", include=["TAGS"])
    assert tagged["tags"] == [{"key": "a", "value": "b"}]

    gone = (await user.call("ecs:DeregisterTaskDefinition", taskDefinition="web:2"))["taskDefinition"]
    assert gone["status"] == "INACTIVE"
    assert gone["deregisteredAt"] == cloud.clock.now()
    assert (await user.call("ecs:DescribeTaskDefinition", taskDefinition="web"))["taskDefinition"]["revision"] == 1
    assert (await user.call("ecs:DescribeTaskDefinition", taskDefinition="web:2"))["taskDefinition"][
        "status"
    ] == "INACTIVE"
    third = await user.call("ecs:RegisterTaskDefinition", **FARGATE)
    assert third["taskDefinition"]["revision"] == 3

    listed = await user.call("ecs:ListTaskDefinitions", familyPrefix="web", sort="DESC")
    assert [arn.rsplit(":", 1)[-1] for arn in listed["taskDefinitionArns"]] == ["3", "1"]
    inactive = await user.call("ecs:ListTaskDefinitions", status="INACTIVE")
    assert [arn.rsplit("/", 1)[-1] for arn in inactive["taskDefinitionArns"]] == ["web:2"]


async def test_what_only_services_read_is_kept(cloud: Cloud) -> None:
    """A name and a protocol of a port are for service discovery, a consistent version is between tasks of a service."""
    port = {"containerPort": 80, "hostPort": 80, "protocol": "tcp", "name": "http", "appProtocol": "http"}
    container = {"name": "app", "image": "busybox", "portMappings": [port], "versionConsistency": "disabled"}
    user = cloud.caller()
    answer = await user.call("ecs:RegisterTaskDefinition", **{**FARGATE, "containerDefinitions": [container]})
    kept = answer["taskDefinition"]["containerDefinitions"][0]
    assert (kept["portMappings"], kept["versionConsistency"]) == ([port], "disabled")


async def test_families(cloud: Cloud) -> None:
    user = cloud.caller()
    for family in ("a", "ab", "b"):
        await user.call("ecs:RegisterTaskDefinition", **{**FARGATE, "family": family})
    await user.call("ecs:DeregisterTaskDefinition", taskDefinition="ab:1")
    assert (await user.call("ecs:ListTaskDefinitionFamilies", familyPrefix="a"))["families"] == ["a", "ab"]
    assert (await user.call("ecs:ListTaskDefinitionFamilies", status="ACTIVE"))["families"] == ["a", "b"]
    assert (await user.call("ecs:ListTaskDefinitionFamilies", status="INACTIVE"))["families"] == ["ab"]


@pytest.mark.parametrize(
    ("operation", "reference", "message"),
    [
        ("DescribeTaskDefinition", "web", "Unable to describe task definition."),
        ("DescribeTaskDefinition", "web:1", "Unable to describe task definition."),
        ("DescribeTaskDefinition", "web:x", "Invalid revision number. Number: x"),
        ("DescribeTaskDefinition", f"web:{2**31}", f"Invalid revision number. Number: {2**31}"),
        ("DescribeTaskDefinition", "web:" + "9" * 5000, "Invalid revision number. Number: " + "9" * 5000),
        ("DeregisterTaskDefinition", "web", "Revision is missing."),
        ("DeregisterTaskDefinition", "web:1", "Unable to describe task definition."),
    ],
)
async def test_unknown(cloud: Cloud, operation: str, reference: str, message: str) -> None:
    with pytest.raises(ClientException) as caught:
        await cloud.caller().call(f"ecs:{operation}", taskDefinition=reference)
    assert caught.value.message == message


async def test_a_role_of_another_account_is_not_valid(cloud: Cloud) -> None:
    with pytest.raises(ClientException, match="Role is not valid"):
        await cloud.caller().call(
            "ecs:RegisterTaskDefinition", **FARGATE, taskRoleArn="arn:aws:iam::111111111111:role/app"
        )
