"""What the tests of the links say to a server, and how they wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection

from roadstead.agent.client import ApiClient, FileCredentials, link_url
from roadstead.services.ec2.api import default_network
from roadstead.services.ecs import api as ecs
from roadstead.wire import acs

DEADLINE = 15.0


async def eventually(question: Callable[[], Awaitable[Any]], what: str) -> Any:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if answer := await question():
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE} s: {what}")


def acs_url(server: Any, instance: str, **more: str) -> str:
    return link_url(server.endpoint, "/ws", {"clusterArn": "fargate", "containerInstanceArn": instance, **more})


def keys(server: Any) -> FileCredentials:
    return FileCredentials(server.deployment.data_dir / "agent.json")


async def read(connection: ClientConnection, kind: type) -> Any:
    """The next message of a type."""
    async with asyncio.timeout(10):
        while True:
            message = acs.TO_AGENT.decode(await connection.recv())
            if isinstance(message, kind):
                return message


async def call(api: ApiClient, service: str, operation: str, **request: Any) -> dict[str, Any]:
    return await api.call(service, operation, request, dict[str, Any], deadline=20)


async def run_task(admin: ApiClient, agent: Any, *, roles: dict[str, str] | None = None, **container: Any) -> str:
    await eventually(lambda: connected(agent), "the agent is connected")
    await call(admin, "ecs", "CreateCluster", clusterName="default")
    app = {"name": "app", "image": "busybox", "essential": True, **container}
    definition = await call(
        admin,
        "ecs",
        "RegisterTaskDefinition",
        family="web",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[app],
        **(roles or {}),
    )
    return await launch(admin, agent, definition["taskDefinition"]["taskDefinitionArn"])


async def launch(admin: ApiClient, agent: Any, definition: str) -> str:
    subnets = await default_subnets(agent)
    answer = await call(
        admin,
        "ecs",
        "RunTask",
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets[:1], "assignPublicIp": "ENABLED"}},
    )
    assert answer["failures"] == []
    return answer["tasks"][0]["taskArn"]


async def default_subnets(agent: Any) -> list[str]:
    network = await agent.server.store.run(
        lambda tx: default_network(tx, account=agent.server.deployment.account, region="us-east-1")
    )
    return list(network.subnet_ids)


async def connected(agent: Any) -> bool:
    arn = agent.identity.value.container_instance_arn
    if not arn:
        return False
    async with agent.server.store.snapshot() as tx:
        instance = await ecs.instance_for_session(tx, "fargate", arn)
    return instance is not None and instance.agent_connected


async def left(agent: Any) -> None:
    """Wait until the store says that the agent's link went."""

    async def gone() -> bool:
        return not await connected(agent)

    await eventually(gone, "the store says that the agent is gone")


async def described(admin: ApiClient, arn: str) -> dict[str, Any]:
    return (await call(admin, "ecs", "DescribeTasks", tasks=[arn]))["tasks"][0]


async def reaches(admin: ApiClient, arn: str, *statuses: str) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        task = await described(admin, arn)
        return task if task["lastStatus"] in statuses else None

    return await eventually(there, f"{arn} is {statuses}")
