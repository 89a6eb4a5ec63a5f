"""What agentlink, controllers and other services ask of ECS. Every function works in the caller's transaction.

An agent's link works like this: `instance_for_session` and `agent_connected` on connect, then `manifest`, then
`tasks_to_send(after=None)` for everything that was not acknowledged; on each `ecs.task` wake-up `tasks_to_send(after=last seq)`;
`mark_acked` when a payload is acknowledged. Credentials count as given when the agent acknowledged them (`mark_acked`,
`credentials_renewed`), never because they were sent. `manifest` and `tasks_to_send` write, so they need a transaction, no snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, select, update

from roadstead.core.lifecycle.states import Connectivity, DesiredStatus, HealthStatus, StopCode, TaskStatus
from roadstead.core.lifecycle.stopping import UNTELLABLE
from roadstead.core.lifecycle.task import abandon, connected, measured_health
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.services.ecs import instance_rows, task_rows
from roadstead.services.ecs.guarded import guarded_arn
from roadstead.services.ecs.instance_rows import INACTIVE, INSTANCE_TOPIC
from roadstead.services.ecs.payloads import (
    ROLE_TYPES,
    CredentialsIssuer,
    Payloads,
    Untellable,
    build,
    credentials,
)
from roadstead.services.ecs.reconciliation import (
    expire_task,
    forget_instances,
    overdue_tasks,
    reap,
    reapable,
    settle_task,
    settleable_tasks,
)
from roadstead.services.ecs.records import FARGATE_CLUSTER, InstanceRecord, TaskRecord
from roadstead.services.ecs.tables import container_instances, tasks
from roadstead.services.ecs.task_rows import TASK_TOPIC
from roadstead.store import Transaction
from roadstead.wire.acs import IAMRoleCredentialsMessage, TaskIdentifier
from roadstead.wire.task import Task

__all__ = [
    "INSTANCE_TOPIC",
    "TASK_TOPIC",
    "CredentialsIssuer",
    "InstanceRecord",
    "Manifest",
    "Outgoing",
    "Payloads",
    "Renewal",
    "agent_connected",
    "agent_gone",
    "credentials_renewed",
    "credentials_to_refresh",
    "expire_task",
    "forget_instances",
    "guarded_arn",
    "instance_for_session",
    "manifest",
    "mark_acked",
    "overdue_tasks",
    "reap",
    "reapable",
    "server_gone",
    "servers_of_pool",
    "servers_with_agents",
    "settle_task",
    "settleable_tasks",
    "task_health",
    "tasks_to_send",
    "tasks_to_stop",
]

REFRESH_BEFORE = timedelta(hours=1)
"""Credentials are renewed when less than this is left of them."""
_ENDED = (TaskStatus.DEPROVISIONING, TaskStatus.STOPPED)
_log = structlog.get_logger("ecs")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A task as its agent shall hear of it; `seq` is the number to acknowledge. The first of its credentials ends at `credentials_end`."""

    seq: int
    task: Task
    credentials_end: datetime | None


@dataclass(frozen=True, slots=True)
class Renewal:
    """Fresh credentials of a task, a message for each role, and when the first of them ends. Each `message_id` is empty."""

    task_arn: str
    ends: datetime
    messages: tuple[IAMRoleCredentialsMessage, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every task that shall be on an instance; `timeline` is above that of all manifests and all `seq` before."""

    timeline: int
    tasks: tuple[TaskIdentifier, ...]


async def instance_for_session(tx: Transaction, cluster: str, container_instance_arn: str) -> InstanceRecord | None:
    """The registered instance that an agent names by cluster (name or ARN) and ARN; None when there is none."""
    row = await instance_rows.by_arn(tx, container_instance_arn)
    if row is None or row.status == INACTIVE:
        return None
    return row if cluster in (row.cluster, row.cluster_arn, "") else None


async def agent_connected(tx: Transaction, container_instance_arn: str, *, server: str) -> None:
    """The agent's link to `server` came: the instance and its tasks show it."""
    row = await instance_rows.by_arn(tx, container_instance_arn)
    if row is not None:
        await _linked(tx, row, server)


async def agent_gone(tx: Transaction, container_instance_arn: str, *, server: str) -> None:
    """The agent's link to `server` went. Nothing happens when the agent has a newer one to another server."""
    row = await instance_rows.by_arn(tx, container_instance_arn)
    if row is not None and row.agent_server == server:
        await _linked(tx, row, None)


async def servers_with_agents(tx: Transaction) -> set[str]:
    """The servers that links of agents are said to be held by."""
    query = select(container_instances.c.agent_server).where(container_instances.c.agent_server.is_not(None)).distinct()
    return {str(name) for name in (await tx.execute(query)).scalars()}


async def server_gone(tx: Transaction, server: str) -> int:
    """No link to `server` is left: its agents are disconnected until they connect elsewhere. Returns how many."""
    query = select(container_instances.c.arn).where(container_instances.c.agent_server == server)
    arns = (await tx.execute(query)).scalars()
    for arn in arns:
        await agent_gone(tx, str(arn), server=server)
    return len(arns)


async def _linked(tx: Transaction, row: InstanceRecord, server: str | None) -> None:
    now = tx.clock.now()
    if row.agent_server != server:
        there = server is not None
        row = replace(row, agent_connected=there, agent_server=server, agent_seen_at=now, version=row.version + 1)
        await instance_rows.save(tx, row)
        instance_rows.announce(tx, row)
    value = Connectivity.DISCONNECTED if server is None else Connectivity.CONNECTED
    for task in await _alive(tx, row.arn):
        await task_rows.save_state(tx, task, connected(task.state, value, now=now))


async def tasks_to_send(
    tx: Transaction, container_instance_arn: str, after: int | None, *, payloads: Payloads
) -> list[Outgoing]:
    """Tasks that the agent must hear of, in order of `seq`: all unacknowledged ones, or with `after` those whose seq is greater.

    One that nothing can be told of is given up: it must not keep the others from their agent.
    """
    newer = tasks.c.acked_seq < tasks.c.sent_seq if after is None else tasks.c.sent_seq > after
    found: list[Outgoing] = []
    for row in await _alive(tx, container_instance_arn, newer):
        try:
            issued = await build(tx, payloads, row)
        except Untellable as error:
            _log.exception("a task can't be told to its agent", account=row.account, resource=row.arn)
            reason = f"{UNTELLABLE} ({error})"
            state = abandon(row.state, code=StopCode.TASK_FAILED_TO_START, reason=reason, now=tx.clock.now())
            await task_rows.save_state(tx, row, state)
            continue
        if issued is None:
            continue
        found.append(Outgoing(row.sent_seq, issued.task, issued.expires_at))
    return found


async def mark_acked(tx: Transaction, container_instance_arn: str, told: Iterable[Outgoing]) -> None:
    """The agent acknowledged these tasks, and with them their credentials."""
    for each in told:
        ends = {} if each.credentials_end is None else {"credentials_expire_at": each.credentials_end}
        await tx.execute(
            update(tasks)
            .where(
                tasks.c.arn == each.task.arn,
                tasks.c.container_instance_arn == container_instance_arn,
                tasks.c.acked_seq < each.seq,
            )
            .values(acked_seq=each.seq, **ends)
        )


async def manifest(tx: Transaction, container_instance_arn: str) -> Manifest:
    """Every task that has not ended on the instance, with its desired status.

    It takes a number of its own each time, because an agent discards one whose number it saw: an earlier one may have been lost on the way
    or with an agent that died before it had carried it out.
    """
    timeline = await instance_rows.next_seq(tx, container_instance_arn)
    found = await _alive(tx, container_instance_arn)
    return Manifest(timeline, tuple(_identifier(row) for row in found))


async def tasks_to_stop(
    tx: Transaction, container_instance_arn: str, candidates: Sequence[TaskIdentifier]
) -> tuple[TaskIdentifier, ...]:
    """Those of the agent's stop candidates that must really stop here: unknown, ended, moved or not wanted any more."""
    found: list[TaskIdentifier] = []
    for candidate in candidates:
        row = await task_rows.by_arn(tx, candidate.task_arn)
        here = row is not None and row.container_instance_arn == container_instance_arn
        alive = row is not None and row.state.last_status not in _ENDED
        if row is None or not here or not alive or not task_rows.is_wanted(row):
            found.append(
                TaskIdentifier(
                    task_arn=candidate.task_arn,
                    task_cluster_arn=candidate.task_cluster_arn,
                    desired_status=DesiredStatus.STOPPED,
                )
            )
    return tuple(found)


async def credentials_to_refresh(
    tx: Transaction, container_instance_arn: str, before: datetime | None, *, payloads: Payloads
) -> list[Renewal]:
    """Fresh credentials for tasks whose agent has some that end before a time, or any (None). Sent again until `credentials_renewed`."""
    ends = tasks.c.credentials_expire_at
    due = ends.is_not(None) if before is None else ends < before
    found: list[Renewal] = []
    for row in await _alive(tx, container_instance_arn, due):
        fresh = {role: session for role in ROLE_TYPES if (session := await credentials(tx, payloads, row, role))}
        if fresh:
            messages = tuple(
                IAMRoleCredentialsMessage(
                    task_arn=row.arn, task_cluster_arn=row.cluster_arn, role_type=role, role_credentials=session
                )
                for role, (session, _) in fresh.items()
            )
            found.append(Renewal(row.arn, min(ends for _, ends in fresh.values()), messages))
    return found


async def credentials_renewed(tx: Transaction, container_instance_arn: str, renewal: Renewal) -> None:
    """The agent acknowledged every message of the renewal."""
    await tx.execute(
        update(tasks)
        .where(tasks.c.arn == renewal.task_arn, tasks.c.container_instance_arn == container_instance_arn)
        .values(credentials_expire_at=renewal.ends)
    )


async def task_health(tx: Transaction, container_instance_arn: str, health: Mapping[str, Mapping[str, str]]) -> None:
    """Health of containers as the agent measured it: task ARN to container name to HEALTHY, UNHEALTHY or UNKNOWN."""
    for arn, containers in health.items():
        row = await task_rows.by_arn(tx, arn)
        if row is None or row.container_instance_arn != container_instance_arn:
            continue
        measured = {name: HealthStatus(value) for name, value in containers.items()}
        await task_rows.save_state(tx, row, measured_health(row.state, measured))


async def _alive(tx: Transaction, container_instance_arn: str, *where: ColumnElement[bool]) -> list[TaskRecord]:
    return await task_rows.select_tasks(
        tx,
        tasks.c.container_instance_arn == container_instance_arn,
        tasks.c.last_status.not_in(_ENDED),
        *where,
    )


def _identifier(row: TaskRecord) -> TaskIdentifier:
    return TaskIdentifier(
        task_arn=row.arn, task_cluster_arn=row.cluster_arn, desired_status=row.state.desired_status.value
    )


async def servers_of_pool(tx: Transaction, region: str) -> set[str]:
    """The servers that are said to hold links to agents of the Fargate pool of this region."""
    rows = await instance_rows.of_cluster(tx, INTERNAL_ACCOUNT, region, FARGATE_CLUSTER)
    return {row.agent_server for row in rows if row.agent_server is not None}
