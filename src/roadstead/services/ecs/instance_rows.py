"""Container instances as rows: reading them, and booking resources on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import func, select, update

from roadstead.core.lifecycle.states import TaskStatus
from roadstead.core.placement.model import Port
from roadstead.services.ecs.records import InstanceRecord, Ports, instance_of
from roadstead.services.ecs.tables import container_instances as table
from roadstead.services.ecs.tables import tasks
from roadstead.services.ecs.views import PENDING_STATUSES
from roadstead.store import Event, Transaction

INSTANCE_TOPIC = "ecs.container-instance"
ACTIVE = "ACTIVE"
INACTIVE = "INACTIVE"


async def by_arn(tx: Transaction, arn: str) -> InstanceRecord | None:
    """The instance of whichever account."""
    rows = (await tx.execute(select(table).where(table.c.arn == arn))).mappings()
    return instance_of(rows[0]) if rows else None


async def by_id(tx: Transaction, account: str, region: str, cluster: str, id: str) -> InstanceRecord | None:
    """An instance of a cluster."""
    query = select(table).where(
        table.c.account == account, table.c.region == region, table.c.cluster == cluster, table.c.id == id
    )
    rows = (await tx.execute(query)).mappings()
    return instance_of(rows[0]) if rows else None


async def of_cluster(tx: Transaction, account: str, region: str, cluster: str) -> list[InstanceRecord]:
    """Every instance of a cluster that is not gone, by id."""
    query = select(table).where(
        table.c.account == account, table.c.region == region, table.c.cluster == cluster, table.c.status != INACTIVE
    )
    return [instance_of(row) for row in (await tx.execute(query.order_by(table.c.id))).mappings()]


async def save(tx: Transaction, row: InstanceRecord) -> None:
    """Write an instance back."""
    values = {name: getattr(row, name) for name in InstanceRecord.__slots__ if name != "arn"}
    await tx.execute(update(table).where(table.c.arn == row.arn).values(values))


async def book(tx: Transaction, row: InstanceRecord, cpu: int, memory: int, ports: Ports) -> InstanceRecord:
    """Take resources for a task; the caller has seen that they are free."""
    used = Ports(tcp=row.ports_used.tcp + ports.tcp, udp=row.ports_used.udp + ports.udp)
    booked = replace(
        row, cpu_free=row.cpu_free - cpu, memory_free=row.memory_free - memory, ports_used=used, version=row.version + 1
    )
    await save(tx, booked)
    return booked


async def release(tx: Transaction, arn: str, cpu: int, memory: int, ports: Ports) -> None:
    """Give a task's resources back; nothing happens when the instance is gone."""
    row = await by_arn(tx, arn)
    if row is None:
        return
    used = Ports(tcp=_without(row.ports_used.tcp, ports.tcp), udp=_without(row.ports_used.udp, ports.udp))
    await save(
        tx,
        replace(
            row,
            cpu_free=row.cpu_free + cpu,
            memory_free=row.memory_free + memory,
            ports_used=used,
            version=row.version + 1,
        ),
    )


async def next_seq(tx: Transaction, arn: str) -> int:
    """The number of the next change that the instance's agent must hear of."""
    seq = (await tx.execute(select(table.c.next_seq).where(table.c.arn == arn))).scalar_one_or_none() or 0
    await tx.execute(update(table).where(table.c.arn == arn).values(next_seq=seq + 1))
    return seq + 1


async def task_counts(tx: Transaction, arns: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Running and pending tasks of each instance that has any."""
    counts: dict[str, tuple[int, int]] = {}
    query = (
        select(tasks.c.container_instance_arn, tasks.c.last_status, func.count())
        .where(tasks.c.container_instance_arn.in_(arns), tasks.c.last_status != TaskStatus.STOPPED)
        .group_by(tasks.c.container_instance_arn, tasks.c.last_status)
    )
    for arn, status, number in await tx.execute(query):
        running, pending = counts.get(str(arn), (0, 0))
        if status == TaskStatus.RUNNING:
            running += number
        elif status in PENDING_STATUSES:
            pending += number
        counts[str(arn)] = (running, pending)
    return counts


def announce(tx: Transaction, row: InstanceRecord) -> None:
    """Tell that an instance came, went or changed."""
    tx.emit(Event(topic=INSTANCE_TOPIC, account=row.account, region=row.region, resource=row.arn))


def all_ports(row: InstanceRecord) -> frozenset[Port]:
    """Ports of the host that are not free."""
    tcp = ((port, "tcp") for port in row.ports.tcp + row.ports_used.tcp)
    udp = ((port, "udp") for port in row.ports.udp + row.ports_used.udp)
    return frozenset((*tcp, *udp))


def _without(have: tuple[int, ...], gone: tuple[int, ...]) -> tuple[int, ...]:
    left = list(have)
    for port in gone:
        if port in left:
            left.remove(port)
    return tuple(left)
