"""A task's mutable part as a value, and the functions that move it on. Every one returns its argument when nothing changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from roadstead.core.lifecycle.states import (
    CONTAINER_ORDER,
    Connectivity,
    ContainerStatus,
    DesiredStatus,
    HealthStatus,
    StopCode,
    TaskEvent,
    TaskStatus,
    advance,
)
from roadstead.core.lifecycle.stopping import why_stopped


class NetworkBinding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A port of the host that leads to a port of a container."""

    bind_ip: str | None = None
    container_port: int | None = None
    host_port: int | None = None
    protocol: str | None = None
    container_port_range: str | None = None
    host_port_range: str | None = None


class ManagedAgent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent that runs beside a container's process, as `ExecuteCommandAgent`."""

    name: str
    last_status: str
    reason: str | None = None
    last_started_at: datetime | None = None


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one container of a task."""

    name: str
    id: str
    essential: bool = True
    health_checked: bool = False
    last_status: ContainerStatus = ContainerStatus.PENDING
    health: HealthStatus = HealthStatus.UNKNOWN
    exit_code: int | None = None
    reason: str | None = None
    runtime_id: str | None = None
    image_digest: str | None = None
    network_bindings: tuple[NetworkBinding, ...] = ()
    managed_agents: tuple[ManagedAgent, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """The mutable part of a task.

    `has_interface` says that something must be deprovisioned after the end; `has_registrations` that something follows the start
    and precedes the stop (load balancers), else those steps pass at once.
    """

    created_at: datetime
    last_status: TaskStatus
    desired_status: DesiredStatus = DesiredStatus.RUNNING
    version: int = 1
    containers: tuple[Container, ...] = ()
    has_interface: bool = False
    has_registrations: bool = False
    connectivity: Connectivity = Connectivity.DISCONNECTED
    connectivity_at: datetime | None = None
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: StopCode | None = None
    stopped_reason: str | None = None


class ContainerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One container in an agent's report; None leaves what is known."""

    name: str
    status: ContainerStatus | None = None
    exit_code: int | None = None
    reason: str | None = None
    runtime_id: str | None = None
    image_digest: str | None = None
    network_bindings: tuple[NetworkBinding, ...] | None = None
    managed_agents: tuple[ManagedAgent, ...] | None = None


class TaskReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent submits about a task; `status` None speaks of containers only."""

    status: ContainerStatus | None = None
    reason: str | None = None
    containers: tuple[ContainerReport, ...] = ()
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    execution_stopped_at: datetime | None = None


def started(*, now: datetime, containers: Sequence[Container], has_interface: bool, connectivity: Connectivity) -> Task:
    """A task that was just placed: PROVISIONING when it waits for an interface, else PENDING."""
    return Task(
        created_at=now,
        last_status=TaskStatus.PROVISIONING if has_interface else TaskStatus.PENDING,
        containers=tuple(containers),
        has_interface=has_interface,
        connectivity=connectivity,
        connectivity_at=now,
    )


def provisioned(task: Task) -> Task:
    """The interface is there."""
    return _changed(task, msgspec.structs.replace(task, last_status=advance(task.last_status, TaskEvent.PROVISIONED)))


def request_stop(task: Task, *, code: StopCode, reason: str, now: datetime) -> Task:
    """Want the task stopped; the first to ask gives code and reason."""
    if task.desired_status is DesiredStatus.STOPPED or task.last_status is TaskStatus.STOPPED:
        return task
    return _changed(task, _move(_wanting_stop(task, code, reason, now), TaskEvent.STOP_REQUESTED, now))


def report(task: Task, given: TaskReport, *, now: datetime) -> Task:
    """Fold in what the agent submits. A repeated or late report changes nothing that is already further."""
    if task.last_status is TaskStatus.STOPPED:
        return task
    new = msgspec.structs.replace(
        task,
        containers=_fold_containers(task.containers, given.containers, now),
        pull_started_at=task.pull_started_at or given.pull_started_at,
        pull_stopped_at=task.pull_stopped_at or given.pull_stopped_at,
        execution_stopped_at=task.execution_stopped_at or given.execution_stopped_at,
    )
    if given.status is ContainerStatus.RUNNING:
        new = _move(new, TaskEvent.STARTED, now)
    elif given.status is ContainerStatus.STOPPED:
        new = _end(new, given.reason, now)
    return _changed(task, new)


def abandon(task: Task, *, code: StopCode, reason: str, now: datetime) -> Task:
    """Give the task up: nobody will report its end."""
    if task.last_status is TaskStatus.STOPPED:
        return task
    wanted = _wanting_stop(task, code, reason, now) if task.desired_status is DesiredStatus.RUNNING else task
    return _changed(task, _end(wanted, None, now))


def deprovisioned(task: Task, *, now: datetime) -> Task:
    """Nothing of the interface is left."""
    return _changed(task, _move(task, TaskEvent.DEPROVISIONED, now))


def connected(task: Task, value: Connectivity, *, now: datetime) -> Task:
    """The agent came or went."""
    if task.connectivity is value or task.last_status is TaskStatus.STOPPED:
        return task
    return _changed(task, msgspec.structs.replace(task, connectivity=value, connectivity_at=now))


def measured_health(task: Task, health: Mapping[str, HealthStatus]) -> Task:
    """Fold in the containers' health, by container name."""
    if task.last_status is TaskStatus.STOPPED:
        return task
    containers = tuple(
        msgspec.structs.replace(container, health=health.get(container.name, container.health))
        for container in task.containers
    )
    return _changed(task, msgspec.structs.replace(task, containers=containers))


def health(task: Task) -> HealthStatus:
    """Health of the whole task: that of its essential containers which have a health check; UNKNOWN without any."""
    states = [container.health for container in task.containers if container.essential and container.health_checked]
    if HealthStatus.UNHEALTHY in states:
        return HealthStatus.UNHEALTHY
    if states and all(state is HealthStatus.HEALTHY for state in states):
        return HealthStatus.HEALTHY
    return HealthStatus.UNKNOWN


def _changed(before: Task, after: Task) -> Task:
    return before if after == before else msgspec.structs.replace(after, version=before.version + 1)


def _wanting_stop(task: Task, code: StopCode, reason: str, now: datetime) -> Task:
    return msgspec.structs.replace(
        task, desired_status=DesiredStatus.STOPPED, stopping_at=now, stop_code=code, stopped_reason=reason
    )


def _move(task: Task, event: TaskEvent, now: datetime) -> Task:
    """Apply an event, and the ones that follow at once because there is nothing to wait for."""
    status = advance(task.last_status, event)
    if status is TaskStatus.ACTIVATING and not task.has_registrations:
        status = advance(status, TaskEvent.ACTIVATED)
    if status is TaskStatus.DEACTIVATING and not task.has_registrations:
        status = advance(status, TaskEvent.DEACTIVATED)
    if status is TaskStatus.DEPROVISIONING and not task.has_interface:
        status = advance(status, TaskEvent.DEPROVISIONED)
    started_at = task.started_at or (now if event is TaskEvent.STARTED else None)
    stopped_at = task.stopped_at or (now if status is TaskStatus.STOPPED else None)
    return msgspec.structs.replace(task, last_status=status, started_at=started_at, stopped_at=stopped_at)


def _end(task: Task, reason: str | None, now: datetime) -> Task:
    containers = tuple(
        msgspec.structs.replace(container, last_status=ContainerStatus.STOPPED) for container in task.containers
    )
    # The start is known by the server's clock, the end by the agent's: a short task must not end before it started.
    end = max(task.execution_stopped_at or now, task.started_at or task.created_at)
    ended = msgspec.structs.replace(task, containers=containers, execution_stopped_at=end)
    if ended.desired_status is DesiredStatus.RUNNING:
        code, text = why_stopped(
            started=task.started_at is not None,
            reason=reason,
            containers=[(each.essential, each.exit_code, each.reason) for each in containers],
        )
        ended = _wanting_stop(ended, code, text, now)
    return _move(ended, TaskEvent.ENDED, now)


def _fold_containers(
    known: tuple[Container, ...], given: tuple[ContainerReport, ...], now: datetime
) -> tuple[Container, ...]:
    reports = {one.name: one for one in given}
    return tuple(
        _fold(container, reports[container.name], now) if container.name in reports else container
        for container in known
    )


def _fold(known: Container, given: ContainerReport, now: datetime) -> Container:
    status = known.last_status
    if given.status is not None and CONTAINER_ORDER[given.status] > CONTAINER_ORDER[status]:
        status = given.status
    agents = known.managed_agents
    if given.managed_agents is not None:
        before = {agent.name: agent for agent in agents}
        before.update({agent.name: _fold_agent(before.get(agent.name), agent, now) for agent in given.managed_agents})
        agents = tuple(before.values())
    return msgspec.structs.replace(
        known,
        last_status=status,
        exit_code=known.exit_code if given.exit_code is None else given.exit_code,
        reason=given.reason or known.reason,
        runtime_id=given.runtime_id or known.runtime_id,
        image_digest=given.image_digest or known.image_digest,
        network_bindings=known.network_bindings if given.network_bindings is None else given.network_bindings,
        managed_agents=agents,
    )


def _fold_agent(known: ManagedAgent | None, given: ManagedAgent, now: datetime) -> ManagedAgent:
    if known is not None and known.last_status == given.last_status:
        return msgspec.structs.replace(given, last_started_at=known.last_started_at)
    started_at = now if given.last_status == "RUNNING" else (known.last_started_at if known else None)
    return msgspec.structs.replace(given, last_started_at=started_at)
