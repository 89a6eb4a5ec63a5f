"""Every frame of the Agent Communication Service, as Amazon's agent names and needs its members (`ecs-agent/acs` of amazon-ecs-agent)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from roadstead.wire import acs
from roadstead.wire.task import ElasticNetworkInterface, IAMRoleCredentials, IPv4AddressAssignment, Task

CLUSTER: dict[str, Any] = {"cluster_arn": "c", "container_instance_arn": "i", "message_id": "m"}
RUNNING = acs.TaskIdentifier(task_arn="t", task_cluster_arn="c", desired_status="RUNNING")

TO_AGENT = [
    (acs.HeartbeatMessage(message_id="m"), """{"messageId": "m", "healthy": true}"""),
    (acs.HeartbeatMessage(message_id="m", healthy=False), """{"messageId": "m", "healthy": false}"""),
    (
        acs.PayloadMessage(**CLUSTER, tasks=(Task(arn="t"),)),
        """{"clusterArn": "c", "containerInstanceArn": "i", "messageId": "m", "seqNum": 0, "generatedAt": 0, "timeline": 0,
            "tasks": [{"arn": "t", "desiredStatus": "RUNNING", "cpu": 0.0, "memory": 0, "enableFaultInjection": false}]}""",
    ),
    (
        acs.TaskManifestMessage(**CLUSTER, tasks=(RUNNING, acs.TaskIdentifier(task_arn="u"))),
        """{"clusterArn": "c", "containerInstanceArn": "i", "messageId": "m", "generatedAt": 0, "timeline": 0,
            "tasks": [{"taskArn": "t", "taskClusterArn": "c", "desiredStatus": "RUNNING"}, {"taskArn": "u", "desiredStatus": ""}]}""",
    ),
    (
        acs.TaskManifestMessage(**CLUSTER, timeline=7),
        """{"clusterArn": "c", "containerInstanceArn": "i", "messageId": "m", "generatedAt": 0, "timeline": 7}""",
    ),
    (
        acs.TaskStopVerificationAck(message_id="m", stop_tasks=(RUNNING,)),
        """{"messageId": "m", "generatedAt": 0, "stopTasks": [{"taskArn": "t", "taskClusterArn": "c", "desiredStatus": "RUNNING"}]}""",
    ),
    (
        acs.IAMRoleCredentialsMessage(
            task_arn="t",
            task_cluster_arn="c",
            message_id="m",
            role_credentials=IAMRoleCredentials(
                credentials_id="id",
                role_arn="r",
                access_key_id="a",
                secret_access_key="s",
                session_token="k",
                expiration="2026-01-01T00:00:00Z",
            ),
        ),
        """{"taskArn": "t", "taskClusterArn": "c", "messageId": "m", "roleType": "TaskApplication", "roleCredentials": {
            "credentialsId": "id", "roleArn": "r", "accessKeyId": "a", "secretAccessKey": "s", "sessionToken": "k",
            "expiration": "2026-01-01T00:00:00Z"}}""",
    ),
    (
        acs.IAMRoleCredentialsMessage(message_id="m", task_arn="t", role_type=acs.TASK_EXECUTION),
        """{"taskArn": "t", "messageId": "m", "roleType": "TaskExecution"}""",
    ),
    (
        acs.AttachTaskNetworkInterfacesMessage(
            **CLUSTER,
            task_arn="t",
            elastic_network_interfaces=(
                ElasticNetworkInterface(
                    ec2_id="e",
                    mac_address="02:00:00:00:00:01",
                    attachment_arn="a",
                    ipv4_addresses=(IPv4AddressAssignment(private_address="10.0.0.4", primary=True),),
                    subnet_gateway_ipv4_address="10.0.0.1/24",
                ),
            ),
        ),
        """{"clusterArn": "c", "containerInstanceArn": "i", "messageId": "m", "generatedAt": 0, "taskArn": "t", "waitTimeoutMs": 0,
            "elasticNetworkInterfaces": [{"ec2Id": "e", "macAddress": "02:00:00:00:00:01", "attachmentArn": "a", "index": 0,
                "ipv4Addresses": [{"privateAddress": "10.0.0.4", "primary": true}],
                "subnetGatewayIpv4Address": "10.0.0.1/24", "interfaceAssociationProtocol": "default"}]}""",
    ),
    (acs.PerformUpdateMessage(**CLUSTER), """{"clusterArn": "c", "containerInstanceArn": "i", "messageId": "m"}"""),
    (acs.CloseMessage(message="bye"), """{"message": "bye"}"""),
    (acs.ErrorMessage(message="why"), """{"message": "why"}"""),
    (acs.AccessDeniedException(message="why"), """{"message": "why"}"""),
    (acs.BadRequestException(message="why"), """{"message": "why"}"""),
    (acs.InactiveInstanceException(message="why"), """{"message": "why"}"""),
    (acs.InvalidClusterException(message="why"), """{"message": "why"}"""),
    (acs.InvalidInstanceException(message="why"), """{"message": "why"}"""),
    (acs.ServerException(message="why"), """{"message": "why"}"""),
]

TO_SERVER = [
    (
        acs.AckRequest(cluster="c", container_instance="i", message_id="m"),
        """{"cluster": "c", "containerInstance": "i", "messageId": "m"}""",
    ),
    (
        acs.NackRequest(cluster="c", container_instance="i", message_id="m", reason="why"),
        """{"cluster": "c", "containerInstance": "i", "messageId": "m", "reason": "why"}""",
    ),
    (acs.HeartbeatAckRequest(message_id="m"), """{"messageId": "m"}"""),
    (
        acs.IAMRoleCredentialsAckRequest(message_id="m", credentials_id="id", expiration="2026-01-01T00:00:00Z"),
        """{"messageId": "m", "credentialsId": "id", "expiration": "2026-01-01T00:00:00Z"}""",
    ),
    (
        acs.TaskStopVerificationMessage(message_id="m", stop_candidates=(RUNNING,)),
        """{"messageId": "m", "stopCandidates": [{"taskArn": "t", "taskClusterArn": "c", "desiredStatus": "RUNNING"}]}""",
    ),
]

FRAMES = [(acs.TO_AGENT, *each) for each in TO_AGENT] + [(acs.TO_SERVER, *each) for each in TO_SERVER]


@pytest.mark.parametrize(("codec", "message", "text"), FRAMES, ids=lambda value: type(value).__name__)
def test_both_ways(codec: acs.EnvelopeCodec, message: msgspec.Struct, text: str) -> None:
    frame = {"type": type(message).__name__, "message": json.loads(text)}
    assert json.loads(codec.encode(message)) == frame
    assert codec.decode(json.dumps(frame)) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "HeartbeatMessage", "message": {"messageId": "m"}}', acs.HeartbeatMessage(message_id="m")),
        (
            '{"type": "PayloadMessage", "message": {"tasks": [{"arn": "t"}]}}',
            acs.PayloadMessage(tasks=(Task(arn="t"),)),
        ),
        (
            '{"type": "TaskStopVerificationAck", "message": {"stopTasks": [{"taskArn": "t"}]}}',
            acs.TaskStopVerificationAck(stop_tasks=(acs.TaskIdentifier(task_arn="t"),)),
        ),
        ('{"type": "CloseMessage"}', acs.CloseMessage()),
    ],
)
def test_members_that_aws_may_leave_out(text: str, message: msgspec.Struct) -> None:
    assert acs.TO_AGENT.decode(text) == message
