"""Payloads, credentials and manifests, as the link to an agent asks for them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, update
from tests.service.ecs.helpers import describe, prepared, run
from tests.support.context import ACCOUNT, REGION, Cloud
from tests.support.pool import FARGATE, TRUST

from roadstead.agent.client.links import MAX_FRAME
from roadstead.agentlink.acs_session import TASKS_IN_PAYLOAD
from roadstead.services.ecs import api as ecs
from roadstead.services.ecs.tables import task_definitions as definitions
from roadstead.services.ecs.tables import tasks as table
from roadstead.wire.acs import TO_AGENT, PayloadMessage, TaskIdentifier


async def test_payload(cloud: Cloud) -> None:
    logs = {"awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}
    user = cloud.caller()
    await user.call("iam:CreateRole", RoleName="app", AssumeRolePolicyDocument=TRUST)
    user, pool = await prepared(
        cloud,
        taskRoleArn="app",
        executionRoleArn="arn:aws:iam::000000000000:role/app",
        containerDefinitions=[
            {
                "name": "app",
                "image": "000000000000.dkr.ecr.us-east-1.localhost:4566/web:1",
                "command": ["a"],
                "environment": [{"name": "X", "value": "1"}, {"name": "AWS_REGION", "value": "mine"}],
                "logConfiguration": {"logDriver": "awslogs", "options": logs},
                "ulimits": [{"name": "nofile", "softLimit": 10, "hardLimit": 20}],
            }
        ],
    )
    overrides = {
        "containerOverrides": [{"name": "app", "command": ["b"], "environment": [{"name": "X", "value": "2"}]}]
    }
    task = await run(user, overrides=overrides)
    assert task["overrides"]["containerOverrides"][0]["command"] == ["b"]
    [sent] = await pool.outgoing()
    container = sent.task.containers[0]
    assert container.command == ("b",)
    assert container.environment == {
        "AWS_ENDPOINT_URL": "http://169.254.170.3:4566",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "mine",
        "X": "2",
    }
    assert container.registry_authentication is not None
    assert container.registry_authentication.ecr_auth_data is not None
    assert container.registry_authentication.ecr_auth_data.registry_id == "000000000000"
    assert container.docker_config is not None
    host_config = json.loads(container.docker_config.host_config)
    assert host_config["LogConfig"]["Config"]["awslogs-stream"] == f"p/app/{task['taskArn'].rsplit('/', 1)[-1]}"
    assert host_config["Ulimits"] == [{"Name": "nofile", "Soft": 10, "Hard": 20}]
    assert (sent.task.cpu, sent.task.memory, sent.task.launch_type) == (0.25, 512, "FARGATE")
    assert sent.task.role_credentials is not None
    assert sent.task.execution_role_credentials is not None
    assert sent.task.role_credentials.credentials_id != sent.task.execution_role_credentials.credentials_id
    [again] = await pool.outgoing()
    assert again.task.role_credentials is not None
    assert again.task.role_credentials.credentials_id == sent.task.role_credentials.credentials_id

    assert again.credentials_end is not None
    soon = again.credentials_end + timedelta(minutes=1)
    assert await pool.renewals(soon) == []  # nobody has any yet
    await pool.ack(again)
    assert await pool.renewals(again.credentials_end) == []
    [renewal] = await pool.renewals(soon)
    assert [each.role_type for each in renewal.messages] == ["TaskApplication", "TaskExecution"]
    fresh = renewal.messages[0].role_credentials
    assert fresh is not None
    assert fresh.credentials_id == sent.task.role_credentials.credentials_id
    assert await pool.renewals(soon) != []
    later = replace(renewal, ends=soon)
    await cloud.store.run(lambda tx: ecs.credentials_renewed(tx, pool.arn, later))
    assert await pool.renewals(soon) == []
    assert [each.task_arn for each in await pool.renewals(None)] == [task["taskArn"]]


async def test_a_task_that_nothing_can_be_told_of_does_not_keep_the_others_from_their_agent(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    broken, sound = await run(user), await run(user, startedBy="me")
    spoilt = {**FARGATE, "containerDefinitions": [{"name": "another", "image": "busybox"}]}
    of_broken = table.c.arn == broken["taskArn"]
    async with cloud.store.transaction() as tx:
        await tx.execute(insert(definitions).values(**_definition(cloud, spoilt)))
        await tx.execute(update(table).where(of_broken).values(family="spoilt"))
    assert [each.task.arn for each in await pool.outgoing()] == [sound["taskArn"]]
    failed = await describe(user, broken["taskArn"])
    assert (failed["lastStatus"], failed["stopCode"]) == ("DEPROVISIONING", "TaskFailedToStart")
    assert failed["stoppedReason"].startswith("ResourceInitializationError")


def _definition(cloud: Cloud, definition: dict[str, Any]) -> dict[str, Any]:
    """A row as another version of the server may have written it."""
    now = cloud.clock.now()
    whose = {"account": ACCOUNT, "region": REGION, "family": "spoilt", "revision": 1, "status": "ACTIVE"}
    return {**whose, "definition": definition, "registered_by": "", "registered_at": now}


async def test_what_a_task_may_be_told_fits_into_one_frame(cloud: Cloud) -> None:
    labels = {str(n): '"' * 100 for n in range(300)}
    container = {"name": "app", "image": "busybox", "dockerLabels": labels}
    user, pool = await prepared(cloud, containerDefinitions=[container])
    await run(user, group="g" * 1024, overrides={"containerOverrides": [{"name": "app", "command": ["\t" * 4000]}]})
    [sent] = await pool.outgoing()
    frame = PayloadMessage(
        cluster_arn="",
        container_instance_arn=pool.arn,
        message_id="1",
        seq_num=1,
        generated_at=0,
        timeline=1,
        tasks=(sent.task,) * TASKS_IN_PAYLOAD,
    )
    assert len(TO_AGENT.encode(frame)) < MAX_FRAME


async def test_manifest_and_stop_verification(cloud: Cloud) -> None:
    user, pool = await prepared(cloud)
    task = await run(user)
    async with cloud.store.transaction() as tx:
        manifest = await ecs.manifest(tx, pool.arn)
        unknown = TaskIdentifier(task_arn="arn:aws:ecs:us-east-1:000000000000:task/default/unknown")
        stop = await ecs.tasks_to_stop(tx, pool.arn, [unknown, *manifest.tasks])
    assert manifest.timeline == 2
    assert [each.task_arn for each in manifest.tasks] == [task["taskArn"]]
    assert [each.task_arn for each in stop] == [unknown.task_arn]
