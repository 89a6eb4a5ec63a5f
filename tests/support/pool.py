"""A Fargate pool without containers: what its host and agent would say, said by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.support.context import Caller, Cloud

from roadstead.services.ecs import api as ecs
from roadstead.services.hosts import api as hosts
from roadstead.store import Transaction
from roadstead.wire.hosts import HostResource, ListFrame
from roadstead.wire.task import IAMRoleCredentials

HOST = "host-1"
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
PLATFORM = {"ecs.cpu-architecture": "x86_64", "ecs.os-type": "linux"}
FARGATE = {
    "family": "web",
    "requiresCompatibilities": ["FARGATE"],
    "networkMode": "awsvpc",
    "cpu": "256",
    "memory": "512",
    "containerDefinitions": [{"name": "app", "image": "busybox", "portMappings": [{"containerPort": 80}]}],
}


class Pool:
    """The pool's host and agent."""

    def __init__(self, cloud: Cloud, arn: str) -> None:
        self.cloud = cloud
        self.caller = cloud.host
        self.arn = arn
        self.issued = 0

    async def outgoing(self, after: int | None = None) -> list[ecs.Outgoing]:
        payloads = ecs.Payloads(self.cloud.deployment, self._issue)
        return await self.cloud.store.run(lambda tx: ecs.tasks_to_send(tx, self.arn, after, payloads=payloads))

    async def renewals(self, before: datetime | None) -> list[ecs.Renewal]:
        payloads = ecs.Payloads(self.cloud.deployment, self._issue)
        async with self.cloud.store.snapshot() as tx:
            return await ecs.credentials_to_refresh(tx, self.arn, before, payloads=payloads)

    async def ack(self, *sent: ecs.Outgoing) -> None:
        await self.cloud.store.run(lambda tx: ecs.mark_acked(tx, self.arn, sent))

    async def report(self, task: str, status: str, **more: Any) -> None:
        await self.caller.call("ecs:SubmitTaskStateChange", cluster="fargate", task=task, status=status, **more)

    async def resources(self) -> list[HostResource]:
        async with self.cloud.store.snapshot() as tx:
            frames = await hosts.changes_since(tx, HOST, None)
        assert isinstance(frames[0], ListFrame)
        return list(frames[0].resources)

    async def carry_out(self) -> None:
        """Make everything ready that is wanted, and finalize everything that is not."""
        for resource in await self.resources():
            status: dict[str, Any] = {
                "kind": resource.kind,
                "id": resource.id,
                "observedGeneration": resource.generation,
                "finalized": resource.deletion_requested,
            }
            if not resource.deletion_requested:
                status["conditions"] = [{"type": "Ready", "status": "True"}]
            await self.caller.call("roadstead:UpdateHostResourceStatus", hostId=HOST, statuses=[status])

    async def _issue(self, tx: Transaction, *, role_arn: str, task_arn: str, role_type: str) -> IAMRoleCredentials:
        self.issued += 1
        return IAMRoleCredentials(
            credentials_id="another",
            role_arn=role_arn,
            access_key_id=f"ASIA{self.issued}",
            secret_access_key="secret",
            session_token="token",
            expiration=self.cloud.clock.time.replace(hour=15).isoformat(),
        )


async def start_pool(cloud: Cloud, *, cpu: int = 2048, memory: int = 4096) -> Pool:
    """Register the host and the pool's container instance, and connect its agent."""
    await cloud.host.call(
        "roadstead:RegisterHost",
        hostId=HOST,
        hostname="h",
        capacity={"cpu": cpu, "memory": memory},
        bootId="b",
        version="1",
    )
    arn = await register_instance(cloud.host, "fargate", cpu=cpu, memory=memory, host=HOST)
    return Pool(cloud, arn)


async def register_instance(
    caller: Caller, cluster: str, *, cpu: int, memory: int, host: str | None = None, **attributes: str
) -> str:
    """Register a container instance and connect its agent; returns its ARN."""
    named = {**PLATFORM, **attributes, **({"roadstead.host": host} if host else {})}
    response = await caller.call(
        "ecs:RegisterContainerInstance",
        cluster=cluster,
        totalResources=[
            {"name": "CPU", "type": "INTEGER", "integerValue": cpu},
            {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
            {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22", "2375"]},
        ],
        attributes=[{"name": name, "value": value} for name, value in named.items()],
    )
    arn = response["containerInstance"]["containerInstanceArn"]
    await caller.cloud.store.run(lambda tx: ecs.agent_connected(tx, arn, server="s"))
    return arn


async def awsvpc(caller: Caller) -> dict[str, Any]:
    """A networkConfiguration in the caller's default VPC."""
    subnets = (await caller.call("ec2:DescribeSubnets"))["Subnets"]
    first = min(subnets, key=lambda subnet: subnet["AvailabilityZone"])
    return {"awsvpcConfiguration": {"subnets": [first["SubnetId"]], "assignPublicIp": "ENABLED"}}
