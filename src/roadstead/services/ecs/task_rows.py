"""Tasks as rows: reading them, and writing a new state with everything that follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, insert, select, update

from roadstead.core.lifecycle.states import TASK_ORDER, DesiredStatus, TaskStatus
from roadstead.core.lifecycle.task import Task
from roadstead.services.ec2 import api as ec2
from roadstead.services.ecs import instance_rows
from roadstead.services.ecs.records import TaskRecord, task_of
from roadstead.services.ecs.tables import tasks as table
from roadstead.store import Event, Transaction

TASK_TOPIC = "ecs.task"


async def by_arn(tx: Transaction, arn: str) -> TaskRecord | None:
    """The task of whichever account."""
    return await _one(tx, table.c.arn == arn)


async def by_id(tx: Transaction, account: str, region: str, cluster: str, id: str) -> TaskRecord | None:
    """A task of a cluster."""
    where = (
        (table.c.account == account) & (table.c.region == region) & (table.c.cluster == cluster) & (table.c.id == id)
    )
    return await _one(tx, where)


async def by_interface(tx: Transaction, interface_id: str) -> TaskRecord | None:
    """The task that a network interface belongs to."""
    return await _one(tx, table.c.interface_id == interface_id)


async def select_tasks(tx: Transaction, *where: ColumnElement[bool], limit: int | None = None) -> list[TaskRecord]:
    """Tasks that satisfy conditions on columns, in the order of the changes that their agent hears of."""
    query = select(table).where(*where).order_by(table.c.sent_seq, table.c.arn).limit(limit)
    return [task_of(row) for row in (await tx.execute(query)).mappings()]


async def add(tx: Transaction, row: TaskRecord) -> None:
    """Insert a task and tell of it."""
    await tx.execute(insert(table).values(_values(row)))
    announce(tx, row)


async def save_state(tx: Transaction, row: TaskRecord, state: Task) -> TaskRecord:
    """Write a new state; nothing happens when it is the old one.

    A task that is not wanted any more gets a number for its agent to hear of; one that has ended gives back its resources and
    asks for its interface's removal.
    """
    if state == row.state:
        return row
    new = replace(row, state=state)
    if state.desired_status is not row.state.desired_status and row.container_instance_arn is not None:
        new = replace(new, sent_seq=await instance_rows.next_seq(tx, row.container_instance_arn))
    if TASK_ORDER[state.last_status] >= TASK_ORDER[TaskStatus.DEPROVISIONING]:
        new = await _let_go(tx, new)
    values = _values(new)
    await tx.execute(update(table).where(table.c.arn == row.arn).values(values))
    announce(tx, new)
    return new


def announce(tx: Transaction, row: TaskRecord) -> None:
    """Tell that a task came or changed."""
    tx.emit(
        Event(
            topic=TASK_TOPIC,
            account=row.account,
            region=row.region,
            resource=row.arn,
            payload={
                "lastStatus": row.state.last_status.value,
                "desiredStatus": row.state.desired_status.value,
                "version": row.state.version,
            },
        )
    )


def is_wanted(row: TaskRecord) -> bool:
    """Whether the task shall run."""
    return row.state.desired_status is DesiredStatus.RUNNING


async def _let_go(tx: Transaction, row: TaskRecord) -> TaskRecord:
    if row.interface_id is not None:
        await ec2.request_interface_deletion(tx, row.interface_id)
    if not row.resources_held or row.container_instance_arn is None:
        return row
    await instance_rows.release(tx, row.container_instance_arn, row.cpu, row.memory, row.ports)
    return replace(row, resources_held=False)


async def _one(tx: Transaction, where: ColumnElement[bool]) -> TaskRecord | None:
    rows = (await tx.execute(select(table).where(where))).mappings()
    return task_of(rows[0]) if rows else None


def _values(row: TaskRecord) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in TaskRecord.__slots__}
    values["state"] = msgspec.to_builtins(row.state)
    values["last_status"] = row.state.last_status.value
    values["desired_status"] = row.state.desired_status.value
    values["stopped_at"] = row.state.stopped_at
    return values
