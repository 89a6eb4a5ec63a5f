"""Operations whose own tests call them past HTTP, as boto3 sends and reads them: parser, codec and router are between."""

from __future__ import annotations

from datetime import datetime

from tests.support.server import REGION, Account, refusal

DEFINITION = {
    "family": "web",
    "requiresCompatibilities": ["FARGATE"],
    "networkMode": "awsvpc",
    "cpu": "256",
    "memory": "512",
    "containerDefinitions": [
        {
            "name": "app",
            "image": "busybox",
            "command": ["sh", "-c", "echo ü"],
            "environment": [{"name": "A", "value": ""}],
            "portMappings": [{"containerPort": 80, "protocol": "tcp"}],
        }
    ],
    "tags": [{"key": "team", "value": "a"}],
}


def test_security_groups(admin: Account):
    [group] = admin.ec2.describe_security_groups()["SecurityGroups"]
    assert (group["GroupName"], group["OwnerId"]) == ("default", admin.id)
    [vpc] = admin.ec2.describe_vpcs()["Vpcs"]
    assert group["VpcId"] == vpc["VpcId"]
    [inward] = group["IpPermissions"]
    assert inward["IpProtocol"] == "-1"
    assert [pair["GroupId"] for pair in inward["UserIdGroupPairs"]] == [group["GroupId"]]
    [outward] = group["IpPermissionsEgress"]
    assert outward["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]
    by_id = admin.ec2.describe_security_groups(GroupIds=[group["GroupId"]])["SecurityGroups"]
    by_name = admin.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default", "x"]}])
    assert by_id == by_name["SecurityGroups"] == [group]
    assert admin.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": ["vpc-0"]}])["SecurityGroups"] == []
    missing = refusal(admin.ec2.describe_security_groups, GroupIds=["sg-00000000000000000"])
    assert (missing.code, missing.status) == ("InvalidGroup.NotFound", 400)


def test_task_definitions(admin: Account):
    arn = f"arn:aws:ecs:{REGION}:{admin.id}:task-definition/web"
    registered = admin.ecs.register_task_definition(**DEFINITION)
    first = registered["taskDefinition"]
    assert (first["taskDefinitionArn"], first["revision"], first["status"]) == (f"{arn}:1", 1, "ACTIVE")
    assert registered["tags"] == DEFINITION["tags"]
    assert isinstance(first["registeredAt"], datetime)
    second = admin.ecs.register_task_definition(**DEFINITION)["taskDefinition"]
    assert second["revision"] == 2

    described = admin.ecs.describe_task_definition(taskDefinition="web:1", include=["TAGS"])
    assert described["taskDefinition"] == first
    assert described["tags"] == DEFINITION["tags"]
    [container] = described["taskDefinition"]["containerDefinitions"]
    assert container["command"] == ["sh", "-c", "echo ü"]
    assert container["environment"] == [{"name": "A", "value": ""}]
    assert container["portMappings"][0]["containerPort"] == 80

    assert admin.ecs.list_task_definitions(sort="DESC")["taskDefinitionArns"] == [f"{arn}:2", f"{arn}:1"]
    pages = admin.ecs.get_paginator("list_task_definitions").paginate(PaginationConfig={"PageSize": 1})
    assert [page["taskDefinitionArns"] for page in pages if page["taskDefinitionArns"]] == [[f"{arn}:1"], [f"{arn}:2"]]

    gone = admin.ecs.deregister_task_definition(taskDefinition="web:2")["taskDefinition"]
    assert (gone["taskDefinitionArn"], gone["status"]) == (f"{arn}:2", "INACTIVE")
    assert gone["deregisteredAt"] >= second["registeredAt"]
    assert admin.ecs.list_task_definitions()["taskDefinitionArns"] == [f"{arn}:1"]
    assert admin.ecs.list_task_definitions(status="INACTIVE")["taskDefinitionArns"] == [f"{arn}:2"]
    missing = refusal(admin.ecs.describe_task_definition, taskDefinition="nothing")
    assert (missing.code, missing.status, missing.message) == (
        "ClientException",
        400,
        "Unable to describe task definition.",
    )


def test_a_cluster_is_deleted(admin: Account):
    arn = admin.ecs.create_cluster(clusterName="old")["cluster"]["clusterArn"]
    deleted = admin.ecs.delete_cluster(cluster="old")["cluster"]
    assert (deleted["clusterArn"], deleted["status"]) == (arn, "INACTIVE")
    assert admin.ecs.list_clusters()["clusterArns"] == []
    missing = refusal(admin.ecs.delete_cluster, cluster="never")
    assert (missing.code, missing.status) == ("ClusterNotFoundException", 400)
