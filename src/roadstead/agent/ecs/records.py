"""The checkpoint: one file a task, replaced whole after each change, so that a killed agent finds everything again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

from roadstead.agent.runtime.model import Isolation
from roadstead.agent.runtime.reference import Reference
from roadstead.core.taskengine.health import HealthState
from roadstead.core.taskengine.model import Desired, Resource
from roadstead.core.taskengine.report import TaskStatus
from roadstead.core.taskengine.states import ContainerState
from roadstead.wire.task import Task

log = structlog.get_logger(__name__)


class ContainerChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """ContainerStateChange of the ECS API."""

    container_name: str
    status: str
    exit_code: int | None = None
    reason: str = ""
    runtime_id: str = ""
    image_digest: str = ""


class TaskChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The input of SubmitTaskStateChange; times are seconds since the epoch."""

    cluster: str
    task: str
    status: str
    reason: str = ""
    containers: tuple[ContainerChange, ...] = ()
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    execution_stopped_at: float | None = None


class ContainerRecord(msgspec.Struct, kw_only=True):
    """What is known of one container. Times are seconds since the epoch; `removed` says that the runtime has nothing of it left."""

    name: str
    state: ContainerState = ContainerState.NONE
    attempt: int = 0
    runtime_id: str = ""
    image_digest: str = ""
    exit_code: int | None = None
    reason: str = ""
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    restarts: int = 0
    removed: bool = False
    stop_signal: int = 15
    health: HealthState = HealthState()


class TaskRecord(msgspec.Struct, kw_only=True):
    """What is known of one task; `failure` is why this agent brings it down itself.

    `isolation` stays what it was when the task came, whatever is set later (None: an agent wrote the record that did not keep it).
    """

    task: Task
    desired: Desired
    containers: dict[str, ContainerRecord]
    received_at: float
    isolation: Isolation | None = None
    network: Resource = Resource.MISSING
    sandbox: Resource = Resource.MISSING
    link_address: str = ""
    failure: str = ""
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    stopped_at: float | None = None
    released: bool = False
    status: TaskStatus = TaskStatus.PENDING
    last_change: TaskChange | None = None
    pending: list[TaskChange] = []

    @property
    def id(self) -> str:
        """The task's id: the last part of its ARN."""
        return task_id(self.task.arn)

    @property
    def finished(self) -> bool:
        """Nothing is left to do, nothing to report."""
        return self.released and not self.pending and self.status is TaskStatus.STOPPED

    def pulled_image(self, name: str) -> str | None:
        """What a container's image was when it was pulled, wherever its tag points to now: `host/repository@digest`; None before."""
        digest = self.containers[name].image_digest
        named = next(each.image for each in self.task.containers if each.name == name)
        return Reference.parse(named).pinned(digest) if digest else None


def task_id(arn: str) -> str:
    """The last part of a task's ARN."""
    return arn.rpartition("/")[2]


class RecordStore:
    """The files of a directory, each `TASKID.json` (0600: they hold credentials)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._decoder = msgspec.json.Decoder(TaskRecord)
        self._written: dict[str, bytes] = {}
        self._late: dict[str, TaskRecord] = {}

    def load(self) -> Iterator[TaskRecord]:
        """Every record. One that can't be read is set aside under another name: what it described is found as a stray."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                yield self._decoder.decode(path.read_bytes())
            except msgspec.MsgspecError as error:
                aside = path.with_suffix(".unreadable")
                log.warning("checkpoint is unreadable", path=str(path), error=str(error), moved_to=str(aside))
                path.replace(aside)

    def save(self, record: TaskRecord) -> None:
        """Replace the task's file, if there is anything new; raises OSError.

        The rename alone makes it safe against our own death. It is not forced to disk: a power cut ends the containers as well.
        """
        content = msgspec.json.encode(record)
        if self._written.get(record.id) == content:
            self._late.pop(record.id, None)
            return
        path = self._directory / f"{record.id}.json"
        temporary = path.with_suffix(".new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        temporary.replace(path)
        self._written[record.id] = content
        self._late.pop(record.id, None)

    def keep(self, record: TaskRecord) -> None:
        """`save`, or later by `catch_up` where that fails now: a full disk stops no task."""
        try:
            self.save(record)
        except OSError as error:
            if record.id not in self._late:
                log.warning("checkpoint not written", task=record.task.arn, error=str(error))
            self._late[record.id] = record

    def catch_up(self) -> None:
        """Write what could not be written before."""
        for record in list(self._late.values()):
            self.keep(record)

    def remove(self, record: TaskRecord) -> None:
        """Forget the task."""
        self._written.pop(record.id, None)
        self._late.pop(record.id, None)
        (self._directory / f"{record.id}.json").unlink(missing_ok=True)
