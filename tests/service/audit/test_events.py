"""An event of every call to the API, allowed, refused or signed by nobody."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.service.audit.told import answered, event_of
from tests.support.server import Account, Keys, ServerThread


def failed(call: Any, **parameters: Any) -> str:
    """The id of a request that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["ResponseMetadata"]["RequestId"])  # pyright: ignore[reportTypedDictNotRequiredAccess]


def test_a_change(admin: Account) -> None:
    response = admin.ecs.create_cluster(clusterName="web", tags=[{"key": "team", "value": "red"}])
    event = answered(admin.server, response)
    arn = f"arn:aws:ecs:us-east-1:{admin.id}:cluster/web"
    assert event["eventSource"] == "ecs.amazonaws.com"
    assert event["eventName"] == "CreateCluster"
    assert event["awsRegion"] == "us-east-1"
    assert event["userIdentity"]["arn"] == f"arn:aws:iam::{admin.id}:user/admin"
    assert event["userIdentity"]["userName"] == "admin"
    assert event["sourceIPAddress"] == "127.0.0.1"
    assert "Boto3" in event["userAgent"]
    assert event["requestParameters"] == {"clusterName": "web", "tags": [{"key": "team", "value": "red"}]}
    assert event["responseElements"]["cluster"]["clusterArn"] == arn
    assert event["readOnly"] is False
    assert event["recipientAccountId"] == admin.id
    assert event["resources"] == [{"ARN": arn, "accountId": admin.id, "type": "AWS::ECS::Cluster"}]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["eventTime"])
    assert "errorCode" not in event


def test_a_read_has_no_answer(admin: Account) -> None:
    event = answered(admin.server, admin.ecs.describe_clusters(clusters=["web"]))
    assert event["readOnly"] is True
    assert event["responseElements"] is None
    decision = event["additionalEventData"]["authorization"][0]
    assert decision["decision"] == "allowed"
    assert decision["statement"] == "Statement[0]"
    assert "context" not in decision


def test_a_denial_has_its_trace(admin: Account) -> None:
    allow = {
        "Sid": "OwnTeam",
        "Effect": "Allow",
        "Action": "ecs:DescribeClusters",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}},
    }
    ecs = admin.server.client("ecs", admin.user("bob", allow))
    event = event_of(admin.server, failed(ecs.describe_clusters, clusters=["web"]))
    assert event["errorCode"] == "AccessDeniedException"
    assert "because no identity-based policy allows the ecs:DescribeClusters action" in event["errorMessage"]
    assert "Encoded authorization" not in event["errorMessage"]
    decision = event["additionalEventData"]["authorization"][0]
    assert decision["decision"] == "implicitDeny"
    assert decision["missed"] == [
        {
            "policyType": "identity-based",
            "policy": "p",
            "statement": "OwnTeam",
            "obstacle": "condition",
            "operator": "StringEquals",
            "key": "aws:PrincipalTag/team",
            "wanted": ["blue"],
        }
    ]
    assert decision["context"]["aws:username"] == "bob"


def test_an_error_of_the_operation(admin: Account) -> None:
    event = event_of(admin.server, failed(admin.iam.get_user, UserName="nobody"))
    assert event["errorCode"] == "NoSuchEntityException"
    assert "nobody" in event["errorMessage"]
    assert event["requestParameters"] == {"userName": "nobody"}


def test_a_forged_signature(admin: Account) -> None:
    forged = admin.server.client("ecs", Keys(admin.id, admin.keys.key, "wrong"))
    event = event_of(admin.server, failed(forged.list_clusters))
    assert event["errorCode"] == "InvalidSignatureException"
    assert event["userIdentity"] == {
        "type": "Unknown",
        "principalId": "",
        "accountId": "ANONYMOUS_PRINCIPAL",
        "accessKeyId": admin.keys.key,
    }
    assert event["requestParameters"] is None
    assert event["recipientAccountId"] == "000000000000"


def test_an_unsigned_request_and_one_for_nothing(server: ServerThread) -> None:
    target = {"x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
    answer = server.send("POST", "/", {"content-type": "application/x-amz-json-1.1", **target}, b"{}")
    event = event_of(server, answer.headers["x-amzn-requestid"])
    assert (event["eventName"], event["errorCode"]) == ("ListClusters", "MissingAuthenticationTokenException")
    assert event["userIdentity"]["type"] == "Unknown"
    answer = server.send("POST", "/", {"content-type": "application/x-amz-json-1.1", "x-amz-target": "No.Such"}, b"{}")
    event = event_of(server, answer.headers["x-amzn-requestid"])
    assert event["eventName"] == "UnknownOperation"


def test_a_role_that_is_passed_is_a_decision_too(admin: Account) -> None:
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    role = admin.iam.create_role(RoleName="task", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    response = admin.ecs.register_task_definition(
        family="web",
        taskRoleArn=role,
        containerDefinitions=[
            {"name": "c", "image": "i", "memory": 64, "environment": [{"name": "A", "value": "hunter2"}]}
        ],
    )
    event = answered(admin.server, response)
    assert "hunter2" not in str(event)
    asked = {each["action"]: each["resource"] for each in event["additionalEventData"]["authorization"]}
    assert asked["ecs:RegisterTaskDefinition"].startswith("arn:aws:ecs:")
    if "iam:PassRole" in asked:
        assert asked["iam:PassRole"] == role
