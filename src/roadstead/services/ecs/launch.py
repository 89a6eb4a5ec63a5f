"""Placing a task, and everything that comes into being with it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from roadstead.core.lifecycle.states import Connectivity, TaskStatus
from roadstead.core.lifecycle.task import Container, started
from roadstead.core.placement.choose import choose
from roadstead.core.placement.model import Candidate, Constraint, Demand, Rejection, Strategy
from roadstead.core.taskdef.attributes import platform_values
from roadstead.core.taskdef.ports import static_host_ports
from roadstead.core.taskdef.shapes import containers, inner, is_essential, network_mode
from roadstead.kernel.ids import hex_id
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.services.ec2 import api as ec2
from roadstead.services.ecs import instance_rows, tag_rows, task_rows
from roadstead.services.ecs.network import TaskNetwork
from roadstead.services.ecs.records import (
    FARGATE_CLUSTER,
    ClusterRecord,
    InstanceRecord,
    Ports,
    TaskDefinitionRecord,
    TaskRecord,
    TaskSpec,
)
from roadstead.services.ecs.tables import tasks
from roadstead.services.operation import Context
from roadstead.store import Transaction

Shape = dict[str, Any]
FARGATE = "FARGATE"
AGENT_ABSENCE = timedelta(minutes=1)
"""How long the pool's agent may have been away for tasks to be placed on it all the same."""
CAPACITY_UNAVAILABLE = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)


class NoInterface(Exception):
    """The instance lies on no host of ours, so no interface can be given to its tasks."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run. `definition` is the registered one, `effective` the same with overrides applied; CPU in units, memory in MiB."""

    cluster: ClusterRecord
    definition: TaskDefinitionRecord
    effective: Shape
    overrides: Shape
    launch_type: str
    group: str
    started_by: str | None
    platform_version: str | None
    network: TaskNetwork | None
    cpu: int
    memory: int
    constraints: tuple[Constraint, ...]
    strategies: tuple[Strategy, ...]
    tags: tag_rows.Tags
    enable_execute_command: bool
    reference_id: str | None

    @property
    def is_fargate(self) -> bool:
        """Whether the pool runs it."""
        return self.launch_type == FARGATE

    @property
    def ports(self) -> list[tuple[int, str]]:
        """Ports that it takes of its host by number."""
        return static_host_ports(containers(self.effective), network_mode(self.effective))


async def pool(ctx: Context, launch: Launch) -> list[InstanceRecord]:
    """The instances that may run it: the Fargate pool's, or the cluster's own."""
    if launch.is_fargate:
        return await instance_rows.of_cluster(ctx.tx, INTERNAL_ACCOUNT, ctx.deployment.region, FARGATE_CLUSTER)
    return await instance_rows.of_cluster(ctx.tx, ctx.account, ctx.region, launch.cluster.name)


async def launch_one(ctx: Context, launch: Launch, provider: str | None) -> TaskRecord | list[Shape]:
    """One task, placed and inserted; or the failures that say why there is no place for it."""
    rows = {row.arn: row for row in await pool(ctx, launch)}
    groups = {} if launch.is_fargate else await groups_by_instance(ctx.tx, list(rows))
    id = hex_id()
    chosen = choose(
        [_candidate_for(ctx, launch, row, groups.get(row.arn, {})) for row in rows.values()],
        _demand(launch),
        tie_break=lambda each: hash((id, each.id)),
    )
    if isinstance(chosen, list):
        return _failures(launch, chosen)
    instance = rows[chosen.arn]
    try:
        return await _insert(ctx, launch, instance, id, provider)
    except (ec2.SubnetFull, NoInterface):
        return [{"arn": instance.arn, "reason": "RESOURCE:ENI"}] if not launch.is_fargate else [_no_capacity()]


def _candidate_for(ctx: Context, launch: Launch, row: InstanceRecord, groups: Mapping[str, int]) -> Candidate:
    """Fargate hides from its users that an agent or a server starts anew: the pool's agent takes the task when it is back."""
    known = candidate(row, groups)
    if launch.is_fargate and ctx.clock.now() - row.agent_seen_at < AGENT_ABSENCE:
        return replace(known, agent_connected=True)
    return known


def candidate(row: InstanceRecord, groups: Mapping[str, int]) -> Candidate:
    """An instance as placement sees it."""
    return Candidate(
        arn=row.arn,
        id=row.id,
        active=row.status == instance_rows.ACTIVE,
        agent_connected=row.agent_connected,
        cpu_free=row.cpu_free,
        memory_free=row.memory_free,
        ports_used=instance_rows.all_ports(row),
        attributes={each["name"]: each.get("value") for each in row.attributes},
        ec2_instance_id=row.ec2_instance_id,
        task_groups=groups,
    )


async def groups_by_instance(tx: Transaction, arns: Sequence[str]) -> dict[str, Counter[str]]:
    """How many tasks of each group run on each instance."""
    found: dict[str, Counter[str]] = {arn: Counter() for arn in arns}
    query = select(tasks.c.container_instance_arn, tasks.c.spec).where(
        tasks.c.container_instance_arn.in_(arns), tasks.c.last_status != TaskStatus.STOPPED
    )
    for row in (await tx.execute(query)).mappings():
        found[row["container_instance_arn"]][row["spec"]["group"]] += 1
    return found


def _demand(launch: Launch) -> Demand:
    required = launch.definition.definition.get("requiresAttributes") or ()
    return Demand(
        cpu=launch.cpu,
        memory=launch.memory,
        ports=frozenset(launch.ports),
        # The pool's agent runs whatever Fargate accepts.
        attributes=frozenset() if launch.is_fargate else frozenset(each["name"] for each in required),
        values=platform_values(launch.effective),
        group=launch.group,
        constraints=launch.constraints,
        strategies=launch.strategies,
    )


def _failures(launch: Launch, rejections: Sequence[Rejection]) -> list[Shape]:
    if launch.is_fargate:
        return [_no_capacity()]
    return [{"arn": each.arn, "reason": each.reason} for each in rejections]


def _no_capacity() -> Shape:
    return {"reason": CAPACITY_UNAVAILABLE}


async def _insert(ctx: Context, launch: Launch, instance: InstanceRecord, id: str, provider: str | None) -> TaskRecord:
    arn = str(ctx.arn("ecs", f"task/{launch.cluster.name}/{id}"))
    ports = Ports(
        tcp=tuple(port for port, protocol in launch.ports if protocol == "tcp"),
        udp=tuple(port for port, protocol in launch.ports if protocol == "udp"),
    )
    interface = await _interface(ctx, launch, instance, id)
    await instance_rows.book(ctx.tx, instance, launch.cpu, launch.memory, ports)
    roles = launch.effective
    row = TaskRecord(
        account=ctx.account,
        region=ctx.region,
        cluster=launch.cluster.name,
        id=id,
        arn=arn,
        family=launch.definition.family,
        revision=launch.definition.revision,
        state=started(
            now=ctx.clock.now(),
            containers=[_container(each) for each in containers(launch.effective)],
            has_interface=interface is not None,
            connectivity=Connectivity.CONNECTED if instance.agent_connected else Connectivity.DISCONNECTED,
        ),
        launch_type=launch.launch_type,
        started_by=launch.started_by,
        container_instance_arn=instance.arn,
        shows_instance=not launch.is_fargate,
        interface_id=interface.id if interface else None,
        cpu=launch.cpu,
        memory=launch.memory,
        ports=ports,
        resources_held=True,
        spec=TaskSpec(
            group=launch.group,
            network_mode=network_mode(launch.effective),
            cpu=launch.effective.get("cpu"),
            memory=launch.effective.get("memory"),
            overrides=launch.overrides,
            availability_zone=interface.zone if interface else instance.availability_zone,
            capacity_provider=provider,
            platform_version=launch.platform_version,
            platform_family="Linux" if launch.is_fargate else None,
            task_role_arn=roles.get("taskRoleArn"),
            execution_role_arn=roles.get("executionRoleArn"),
            enable_execute_command=launch.enable_execute_command,
            reference_id=launch.reference_id,
        ),
        attachments=[_attachment(interface)] if interface else [],
        credentials_id=str(uuid.uuid4()) if roles.get("taskRoleArn") else None,
        execution_credentials_id=str(uuid.uuid4()) if roles.get("executionRoleArn") else None,
        credentials_expire_at=None,
        sent_seq=await instance_rows.next_seq(ctx.tx, instance.arn),
        acked_seq=0,
    )
    await task_rows.add(ctx.tx, row)
    await tag_rows.write(ctx, arn, launch.tags)
    return row


async def _interface(
    ctx: Context, launch: Launch, instance: InstanceRecord, task_id: str
) -> ec2.NetworkInterface | None:
    if launch.network is None:
        return None
    if instance.host is None:
        raise NoInterface
    subnets = launch.network.subnets
    return await ec2.create_interface(
        ctx.tx,
        deployment=ctx.deployment,
        subnet=subnets[int(task_id[:8], 16) % len(subnets)],
        security_group_ids=list(launch.network.security_group_ids),
        host=instance.host,
        attach_to=ec2.POOL_NAMESPACE if launch.is_fargate else instance.ec2_instance_id or instance.id,
        description=f"arn:aws:ecs:{ctx.region}:{ctx.account}:attachment/{uuid.uuid4()}",
    )


def _container(definition: Shape) -> Container:
    command: list[str] = inner(definition, "healthCheck").get("command") or ["NONE"]
    return Container(
        name=definition["name"],
        id=str(uuid.uuid4()),
        essential=is_essential(definition),
        health_checked=command[0] != "NONE",
    )


def _attachment(interface: ec2.NetworkInterface) -> Shape:
    details = {
        "subnetId": interface.subnet_id,
        "networkInterfaceId": interface.id,
        "macAddress": interface.mac_address,
        "privateDnsName": interface.private_dns_name,
        "privateIPv4Address": interface.private_ip,
    }
    return {
        "id": interface.description.rsplit("/", 1)[-1],
        "type": "ElasticNetworkInterface",
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }
