"""State changes of one task, told to the control plane in order, each until it is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from roadstead.agent.client import ApiClient, ApiError, ApiRefused
from roadstead.agent.client.retry import Backoff
from roadstead.agent.ecs.records import ContainerChange, ContainerRecord, TaskChange, TaskRecord
from roadstead.core.taskengine.report import TaskStatus, task_status
from roadstead.core.taskengine.states import ContainerState

log = structlog.get_logger(__name__)

_AGAIN = Backoff(first=0.25, limit=60.0, factor=1.5)
_MAX_REASON = 1024
"""Characters of a reason, as with Amazon's agent: what an engine says last is often why."""


class _Acknowledgment(msgspec.Struct, frozen=True):
    acknowledgment: str = ""


def observe(record: TaskRecord) -> TaskChange | None:
    """The change that the record's state amounts to, or None when the last one said the same already.

    A task whose containers have all stopped is told of once their output is complete.
    """
    containers = record.containers.values()
    essential = _essential(record)
    status = task_status(((each.name in essential, each.state) for each in containers), record.status)
    if status is TaskStatus.STOPPED and not all(container.removed for container in containers):
        return None
    change = TaskChange(
        cluster=record.task.task_cluster_arn,
        task=record.task.arn,
        status=status,
        reason=_reason(record)[:_MAX_REASON] if status is TaskStatus.STOPPED else "",
        containers=tuple(_container(container) for container in containers),
        pull_started_at=record.pull_started_at,
        pull_stopped_at=record.pull_stopped_at,
        execution_stopped_at=record.stopped_at if status is TaskStatus.STOPPED else None,
    )
    last = record.last_change
    return None if last is not None and _key(last) == _key(change) else change


def _key(change: TaskChange) -> object:
    return change.status, tuple((each.container_name, each.status, each.exit_code) for each in change.containers)


def _container(container: ContainerRecord) -> ContainerChange:
    if container.state is ContainerState.STOPPED:
        status = TaskStatus.STOPPED
    elif container.state is ContainerState.RUNNING or container.restarts:
        status = TaskStatus.RUNNING
    else:
        status = TaskStatus.PENDING
    return ContainerChange(
        container_name=container.name,
        status=status,
        exit_code=container.exit_code if status is TaskStatus.STOPPED else None,
        reason=container.reason[:_MAX_REASON] if status is TaskStatus.STOPPED else "",
        runtime_id=container.runtime_id if container.created_at is not None else "",
        image_digest=container.image_digest,
    )


def _reason(record: TaskRecord) -> str:
    """Why a task failed to start: what this agent found, or what its essential containers failed with before anything ran.

    Where one of them waited for another that failed, it is that one's.
    """
    if record.failure:
        return record.failure
    if any(container.started_at is not None for container in record.containers.values()):
        return ""
    failed = {each.name: each for each in record.containers.values() if each.reason}
    essential = _essential(record)
    found = next((each for each in failed.values() if each.name in essential), None)
    needs = {each.name: [needed.container_name for needed in each.depends_on] for each in record.task.containers}
    while found is not None:
        first = next(
            (failed[name] for name in needs[found.name] if name in failed and _before(failed[name], found)), None
        )
        if first is None:
            return found.reason
        found = first
    return next((each.reason for each in failed.values()), "")


def _before(one: ContainerRecord, other: ContainerRecord) -> bool:
    return (one.finished_at or 0.0) < (other.finished_at or 0.0)


def _essential(record: TaskRecord) -> frozenset[str]:
    return frozenset(each.name for each in record.task.containers if each.essential)


class Reporter:
    """Submits `record.pending`. One for each task; `save` is called when the control plane took a change."""

    def __init__(self, api: ApiClient, record: TaskRecord, save: Callable[[], None]) -> None:
        self._api = api
        self._record = record
        self._save = save
        self._more = asyncio.Event()

    def queue(self, change: TaskChange) -> None:
        """Tell this after everything before it."""
        self._record.pending.append(change)
        self._record.last_change = change
        self._record.status = TaskStatus(change.status)
        self._more.set()

    async def run(self) -> None:
        """Submit until cancelled."""
        while True:
            self._more.clear()
            while self._record.pending:
                await self._submit(self._record.pending[0])
                self._record.pending.pop(0)
                self._save()
            await self._more.wait()

    async def _submit(self, change: TaskChange) -> None:
        attempt = 0
        while True:
            try:
                await self._api.call("ecs", "SubmitTaskStateChange", change, _Acknowledgment)
            except ApiError as error:
                if isinstance(error, ApiRefused) and error.code == "InvalidParameterException":
                    log.warning("state change dropped", task=change.task, status=change.status, error=str(error))
                    return
                log.info("state change is told again", task=change.task, status=change.status, error=str(error))
            else:
                return
            await asyncio.sleep(_AGAIN.delay(attempt))
            attempt += 1
