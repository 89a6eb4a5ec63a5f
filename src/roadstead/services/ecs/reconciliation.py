"""What the tasks controller does to tasks: finish what the host has finished, give up what waited too long, forget what is old."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select

from roadstead.core.lifecycle.deadlines import STOPPED_RETENTION, Overdue, Waiting, overdue
from roadstead.core.lifecycle.states import DesiredStatus, StopCode, TaskStatus
from roadstead.core.lifecycle.stopping import AGENT_LOST, INTERFACE_TIMEOUT
from roadstead.core.lifecycle.task import abandon, deprovisioned, provisioned, request_stop
from roadstead.services.ec2 import api as ec2
from roadstead.services.ecs import instance_rows, tag_rows, task_rows
from roadstead.services.ecs.records import TaskRecord
from roadstead.services.ecs.tables import container_instances, tasks
from roadstead.store import Transaction

BATCH = 100
_UNSETTLED = (TaskStatus.PROVISIONING, TaskStatus.DEPROVISIONING)


async def settleable_tasks(tx: Transaction) -> list[str]:
    """ARNs of tasks whose interface has come, or gone, as they wait for; reads only."""
    found = await task_rows.select_tasks(tx, tasks.c.last_status.in_(_UNSETTLED))
    return [row.arn for row in found if await _interface_settled(tx, row)]


async def settle_task(tx: Transaction, arn: str) -> bool:
    """Move on a task whose interface has come or gone; False when it must wait further."""
    row = await task_rows.by_arn(tx, arn)
    if row is None:
        return False
    match row.state.last_status:
        case TaskStatus.PROVISIONING if await _interface_settled(tx, row):
            state = provisioned(row.state)
        case TaskStatus.DEPROVISIONING:
            if row.interface_id is not None and not await ec2.delete_interface(tx, row.interface_id):
                return False
            state = deprovisioned(row.state, now=tx.clock.now())
        case _:
            return False
    await task_rows.save_state(tx, row, state)
    return True


async def overdue_tasks(tx: Transaction) -> dict[str, Overdue]:
    """Tasks that waited too long, by ARN, and what is due; reads only. Stopped ones are `reap`'s."""
    waiting = await task_rows.select_tasks(
        tx,
        tasks.c.last_status != TaskStatus.STOPPED,
        or_(tasks.c.last_status == TaskStatus.PROVISIONING, tasks.c.desired_status == DesiredStatus.STOPPED),
    )
    lost = await _lost_agents(tx) if waiting else {}
    found = {row.arn: overdue(_waiting(row, lost), now=tx.clock.now()) for row in waiting}
    return {arn: due for arn, due in found.items() if due is not None}


async def expire_task(tx: Transaction, arn: str) -> bool:
    """Fail or give up a task that still is overdue; False when it is not any more."""
    row = await task_rows.by_arn(tx, arn)
    if row is None:
        return False
    now = tx.clock.now()
    match overdue(_waiting(row, await _lost_agents(tx)), now=now):
        case Overdue.FAIL_PROVISIONING:
            state = request_stop(row.state, code=StopCode.TASK_FAILED_TO_START, reason=INTERFACE_TIMEOUT, now=now)
        case Overdue.ABANDON:
            state = abandon(row.state, code=StopCode.INFRASTRUCTURE_HEALTH, reason=AGENT_LOST, now=now)
        case _:
            return False
    await task_rows.save_state(tx, row, state)
    return True


async def reapable(tx: Transaction) -> list[str]:
    """ARNs of tasks that stopped an hour ago, oldest first, at most BATCH; reads only."""
    horizon = tx.clock.now() - STOPPED_RETENTION
    query = (
        select(tasks.c.arn)
        .where(tasks.c.last_status == TaskStatus.STOPPED, tasks.c.stopped_at <= horizon)
        .order_by(tasks.c.stopped_at)
        .limit(BATCH)
    )
    return [str(arn) for arn in (await tx.execute(query)).scalars()]


async def reap(tx: Transaction, arns: list[str]) -> None:
    """Forget stopped tasks, with their tags."""
    await tx.execute(delete(tasks).where(tasks.c.arn.in_(arns), tasks.c.last_status == TaskStatus.STOPPED))
    await tag_rows.drop(tx, arns)


async def forget_instances(tx: Transaction, *, after: timedelta = STOPPED_RETENTION) -> int:
    """Forget instances that were deregistered long ago; returns how many."""
    where = (
        container_instances.c.status == instance_rows.INACTIVE,
        container_instances.c.agent_seen_at <= tx.clock.now() - after,
    )
    arns = [str(arn) for arn in (await tx.execute(select(container_instances.c.arn).where(*where))).scalars()]
    if arns:
        await tx.execute(delete(container_instances).where(container_instances.c.arn.in_(arns)))
        await tag_rows.drop(tx, arns)
    return len(arns)


async def _interface_settled(tx: Transaction, row: TaskRecord) -> bool:
    if row.interface_id is None:
        return True
    if row.state.last_status is TaskStatus.PROVISIONING:
        return await ec2.interface_ready(tx, row.interface_id)
    return await ec2.interface_gone(tx, row.interface_id)


def _waiting(row: TaskRecord, lost: dict[str, datetime]) -> Waiting:
    return Waiting(
        last_status=row.state.last_status,
        desired_status=row.state.desired_status,
        created_at=row.state.created_at,
        stopping_at=row.state.stopping_at,
        stopped_at=row.state.stopped_at,
        acknowledged=row.acked_seq > 0,
        agent_lost_at=lost.get(row.container_instance_arn or ""),
    )


async def _lost_agents(tx: Transaction) -> dict[str, datetime]:
    query = select(container_instances.c.arn, container_instances.c.agent_seen_at).where(
        container_instances.c.agent_connected.is_(False)
    )
    return {str(row.arn): row.agent_seen_at for row in await tx.execute(query)}
