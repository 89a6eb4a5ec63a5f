"""Credentials of running tasks are renewed before they end, and count as renewed when the agent says that it has them."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from sqlalchemy import select, update
from tests.support.played_agent import CLOCK
from tests.support.pool import TRUST
from tests.unit.agentlink.conftest import LiveAgent, LiveServer
from tests.unit.agentlink.helpers import DEADLINE, acs_url, described, eventually, launch, reaches, read, run_task
from websockets.asyncio.client import ClientConnection

from roadstead.agent.client import ApiClient, connect_link
from roadstead.services.ecs.tables import tasks
from roadstead.wire import acs

KINDS = {"TaskApplication", "TaskExecution"}


@pytest.fixture
async def task(server: LiveServer, agent: LiveAgent, admin: ApiClient) -> str:
    """A task with both roles that runs."""
    arn = await run_task(admin, agent, roles=await asyncio.to_thread(make_roles, server))
    await reaches(admin, arn, "RUNNING")
    return arn


def make_roles(server: LiveServer) -> dict[str, str]:
    keys = json.loads((server.deployment.data_dir / "credentials.json").read_text())
    iam = boto3.client(
        "iam",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys["accessKeyId"],
        aws_secret_access_key=keys["secretAccessKey"],
    )
    return {
        member: iam.create_role(RoleName=member, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        for member in ("taskRoleArn", "executionRoleArn")
    }


async def ends(server: LiveServer, arn: str) -> datetime | None:
    """Until when the server believes the agent to have credentials of the task."""
    async with server.store.snapshot() as tx:
        return (await tx.execute(select(tasks.c.credentials_expire_at).where(tasks.c.arn == arn))).scalar_one()


async def nearly_end(server: LiveServer, arn: str) -> None:
    async with server.store.transaction() as tx:
        soon = CLOCK.now() + timedelta(minutes=5)
        await tx.execute(update(tasks).where(tasks.c.arn == arn).values(credentials_expire_at=soon))


async def lasting(server: LiveServer, arn: str) -> bool:
    known = await ends(server, arn)
    return known is not None and known > CLOCK.now() + timedelta(hours=5)


def key(agent: LiveAgent, arn: str) -> str:
    [record] = [each for each in agent.engine.records() if each.task.arn == arn]
    assert record.task.role_credentials is not None
    return record.task.role_credentials.access_key_id


def link(server: LiveServer, agent: LiveAgent, **more: str) -> AbstractAsyncContextManager[ClientConnection]:
    return connect_link(acs_url(server, agent.registration.arn, **more), agent.api.credentials, "us-east-1")


async def handled(connection: ClientConnection) -> None:
    """Wait until the server is done with what was sent before: it answers in order."""
    await connection.send(acs.TO_SERVER.encode(acs.TaskStopVerificationMessage(message_id="done")))
    await read(connection, acs.TaskStopVerificationAck)


async def pair(connection: ClientConnection) -> list[acs.IAMRoleCredentialsMessage]:
    """The next two messages of credentials, one for each role."""
    found = [await read(connection, acs.IAMRoleCredentialsMessage) for _ in range(2)]
    assert {each.role_type for each in found} == KINDS
    assert len({each.message_id for each in found}) == 2
    return found


def acknowledged(message: acs.IAMRoleCredentialsMessage) -> Any:
    return acs.TO_SERVER.encode(acs.IAMRoleCredentialsAckRequest(message_id=message.message_id))


async def test_credentials_are_renewed_before_they_end(server: LiveServer, agent: LiveAgent, task: str) -> None:
    before = key(agent, task)
    await nearly_end(server, task)
    await eventually(lambda: lasting(server, task), "the agent has new ones")
    assert key(agent, task) != before


async def test_a_renewal_that_is_lost_is_sent_again_also_on_another_link(
    server: LiveServer, agent: LiveAgent, task: str
) -> None:
    before = key(agent, task)
    await agent.kill()
    await nearly_end(server, task)
    believed = await ends(server, task)
    async with link(server, agent) as connection:
        first, second = await pair(connection), await pair(connection)
        assert {each.message_id for each in first}.isdisjoint(each.message_id for each in second)
    assert await ends(server, task) == believed
    await agent.start()
    await eventually(lambda: lasting(server, task), "the agent has new ones")
    assert key(agent, task) != before


async def test_a_renewal_counts_when_the_messages_of_all_roles_are_acknowledged(
    server: LiveServer, agent: LiveAgent, task: str
) -> None:
    await agent.kill()
    await nearly_end(server, task)
    async with link(server, agent) as connection, asyncio.timeout(DEADLINE):
        while not await lasting(server, task):  # of a pair that was sent again meanwhile nothing counts
            [one, other] = await pair(connection)
            await connection.send(acknowledged(one))
            await connection.send(acknowledged(one))
            await handled(connection)
            assert not await lasting(server, task)
            await connection.send(acknowledged(other))
            await handled(connection)


async def test_an_agent_that_started_gets_the_credentials_of_all_its_tasks(
    server: LiveServer, agent: LiveAgent, task: str
) -> None:
    await agent.kill()
    assert await lasting(server, task)
    async with link(server, agent, sendCredentials="true") as connection:
        assert {each.task_arn for each in await pair(connection)} == {task}


async def test_credentials_of_a_payload_count_when_it_is_acknowledged(
    server: LiveServer, agent: LiveAgent, task: str, admin: ApiClient
) -> None:
    await agent.kill()
    async with link(server, agent) as connection:
        arn = await launch(admin, agent, (await described(admin, task))["taskDefinitionArn"])
        payload = await read(connection, acs.PayloadMessage)
        again = await read(connection, acs.PayloadMessage)
        assert [each.arn for each in (*payload.tasks, *again.tasks)] == [arn, arn]
        assert await ends(server, arn) is None
        await connection.send(acs.TO_SERVER.encode(acs.AckRequest(message_id=again.message_id)))
        await eventually(lambda: lasting(server, arn), "the payload is acknowledged")


async def test_every_manifest_is_above_those_before(server: LiveServer, agent: LiveAgent, task: str) -> None:
    await agent.kill()
    timelines: list[int] = []
    for _ in range(2):
        async with link(server, agent) as connection:
            timelines.append((await read(connection, acs.TaskManifestMessage)).timeline)
    assert timelines[0] < timelines[1]
    assert timelines[0] > agent.identity.value.timeline
