"""Tasks that fail to start, and RunTask calls that are refused: what their owner is told. The runtime plays no part in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.deployment import PULL_AND_LOG
from tests.system.tasks.bench import Bench, Task, container, logging, script

pytestmark = pytest.mark.parametrize("bench", ["runc"], indirect=True)

PULL = [action for action in PULL_AND_LOG if action.startswith("ecr:")]
LOG = [action for action in PULL_AND_LOG if action.startswith("logs:")]


def failed(task: Task, *, begins: str, holds: Sequence[str]) -> None:
    """The task failed to start, with this beginning and these pieces in its reason; nothing of it ever ran."""
    reason: str = task["stoppedReason"]
    assert task["stopCode"] == "TaskFailedToStart"
    assert reason.startswith(begins), reason
    for piece in holds:
        assert piece in reason
    assert "startedAt" not in task
    assert "exitCode" not in container(task)
    assert task["attachments"][0]["status"] == "DELETED"


def test_a_tag_that_is_not_there(bench: Bench) -> None:
    image = bench.image.replace(":latest", ":missing")
    task = bench.run({"image": image})
    failed(task, begins="CannotPullContainerError: ", holds=[image, "not found"])
    assert container(task)["reason"] == task["stoppedReason"]


def test_a_repository_that_is_not_there(bench: Bench) -> None:
    task = bench.run({"image": bench.image.replace("/web:", "/nothing:")})
    failed(task, begins="CannotPullContainerError: ", holds=["nothing", "repository"])
    assert container(task)["reason"] == task["stoppedReason"]


def test_an_image_from_a_registry_that_is_not_ours(bench: Bench) -> None:
    """Nothing falls back to the internet."""
    task = bench.run({"image": "registry.invalid/app:1"})
    failed(task, begins="CannotPullContainerError: ", holds=["registry.invalid/app:1"])


def test_a_role_that_may_not_pull(bench: Bench) -> None:
    role = bench.deployment.role("no-pull", ("ecr:GetAuthorizationToken", *LOG))
    task = bench.run(script("true"), executionRoleArn=role)
    failed(task, begins="CannotPullContainerError: ", holds=["denied", "ecr:BatchGetImage", "assumed-role/no-pull/"])


def test_a_role_that_may_not_even_sign_in(bench: Bench) -> None:
    role = bench.deployment.role("no-token", LOG)
    task = bench.run(script("true"), executionRoleArn=role)
    failed(
        task,
        begins="ResourceInitializationError: unable to pull secrets or registry auth",
        holds=["AccessDeniedException", "ecr:GetAuthorizationToken", "assumed-role/no-token/"],
    )


def test_a_role_that_may_not_log(bench: Bench) -> None:
    role = bench.deployment.role("no-logs", PULL)
    task = bench.run(script("true"), executionRoleArn=role)
    failed(
        task,
        begins="ResourceInitializationError: failed to validate logger args",
        holds=["AccessDeniedException", "logs:CreateLogStream", "assumed-role/no-logs/"],
    )


def test_a_log_group_that_is_not_there(bench: Bench) -> None:
    task = bench.run(script("true", logConfiguration=logging("/missing", awslogs_create_group="false")))
    failed(
        task,
        begins="ResourceInitializationError: failed to validate logger args",
        holds=["ResourceNotFoundException", "The specified log group does not exist."],
    )


SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:x"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"secrets": [{"name": "PASSWORD", "valueFrom": SECRET}]}, "does not support secrets"),
        ({"repositoryCredentials": {"credentialsParameter": SECRET}}, "type asm is not supported"),
    ],
)
def test_what_the_agent_refuses_in_words(bench: Bench, asked: dict[str, Any], named: str) -> None:
    task = bench.run(script("true", **asked))
    failed(task, begins="ResourceInitializationError: ", holds=[named])


def test_what_is_not_built_is_refused_before_there_is_a_task(bench: Bench) -> None:
    efs = {"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}}
    mount = {"sourceVolume": "data", "containerPath": "/data"}
    with pytest.raises(ClientError, match="efsVolumeConfiguration are not implemented by Roadstead") as refused:
        bench.start(script("true", mountPoints=[mount]), volumes=[efs])
    assert refused.value.response["Error"]["Code"] == "NotImplemented"


@pytest.mark.parametrize(
    ("options", "named"),
    [({"awslogs_multiline_pattern": "^x"}, "awslogs-multiline-pattern"), ({"mode": "blocking"}, "mode=blocking")],
)
def test_a_log_option_that_is_not_built(bench: Bench, options: dict[str, str], named: str) -> None:
    with pytest.raises(ClientError, match=f"{named} are not implemented by Roadstead") as refused:
        bench.start(script("true", logConfiguration=logging(**options)))
    assert refused.value.response["Error"]["Code"] == "NotImplemented"


def test_a_buffer_size_that_is_none(bench: Bench) -> None:
    task = bench.run(script("true", logConfiguration=logging(max_buffer_size="much")))
    failed(task, begins="ResourceInitializationError: ", holds=["max-buffer-size", "invalid size"])


def test_a_role_that_does_not_trust_tasks(bench: Bench) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = bench.client("iam").create_role(RoleName="for-instances", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    for member in ("executionRoleArn", "taskRoleArn"):
        with pytest.raises(ClientError, match=f"ECS was unable to assume the role '{role}'") as refused:
            bench.start(script("true"), **{member: role})
        assert refused.value.response["Error"]["Code"] == "ClientException"


def test_a_role_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(ClientError, match="ECS was unable to assume the role"):
        bench.start(script("true"), executionRoleArn="arn:aws:iam::000000000000:role/missing")


def test_a_definition_without_the_role_that_it_needs(bench: Bench) -> None:
    with pytest.raises(ClientError, match="execution role ARN to support ECR images"):
        bench.define(script("true"), executionRoleArn="")


def test_a_failure_to_start_frees_the_place(bench: Bench) -> None:
    """The pool's room is as it was before once all of the above is over."""
    pool = bench.client("ecs")
    assert all(bench.task(arn)["stopCode"] for arn in pool.list_tasks(desiredStatus="STOPPED")["taskArns"])
    arns = [bench.start(script("true")) for _ in range(3)]
    assert [bench.stopped(arn)["stopCode"] for arn in arns] == ["EssentialContainerExited"] * 3
