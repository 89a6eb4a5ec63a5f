"""Containers and their processes through containerd's API, call by call: records, shims, signals, ends."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import structlog
from google.protobuf.any_pb2 import Any
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp

from roadstead.agent.runtime import labels
from roadstead.agent.runtime.anys import SPEC, pack, pack_json
from roadstead.agent.runtime.api import (
    containers_pb2,
    runc_options_pb2,
    runtime_options_pb2,
    sandboxes_pb2,
    task_types_pb2,
    tasks_pb2,
    types_pb2,
)
from roadstead.agent.runtime.client import LONG_CALL, Client
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.errors import (
    AlreadyExists,
    ContainerdUnavailable,
    FailedPrecondition,
    NotFound,
)
from roadstead.agent.runtime.model import ContainerState, ContainerStatus, Isolation, Output
from roadstead.agent.runtime.spec import Document

CONTAINERS = "/containerd.services.containers.v1.Containers"
TASKS = "/containerd.services.tasks.v1.Tasks"
SANDBOXES = "/containerd.services.sandbox.v1.Store"

log = structlog.get_logger(__name__)

_RUNC_SHIM = "io.containerd.runc.v2"
_RUNSC_SHIM = "io.containerd.runsc.v1"
_RUNSC_OPTIONS = "io.containerd.runsc.v1.options"

_MUTE = task_types_pb2.Process(status=task_types_pb2.RUNNING)
"""What is said of a process whose shim gives no answer."""

_STATES = {
    task_types_pb2.CREATED: ContainerState.CREATED,
    task_types_pb2.RUNNING: ContainerState.RUNNING,
    task_types_pb2.PAUSED: ContainerState.RUNNING,
    task_types_pb2.PAUSING: ContainerState.RUNNING,
    task_types_pb2.STOPPED: ContainerState.STOPPED,
}


def when(timestamp: Timestamp) -> datetime:
    """A timestamp of containerd's as an aware time; now, where containerd gave none (Go's zero time)."""
    if timestamp.seconds <= 0:
        return datetime.now(UTC)
    return timestamp.ToDatetime(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """What containerd stores of a container, and what its shim needs to make it.

    `rootfs` are the mounts of its snapshot, which has the container's id; none where the document names a directory.
    """

    id: str
    image: str
    isolation: Isolation
    document: Document
    labels: Mapping[str, str]
    rootfs: tuple[types_pb2.Mount, ...] = ()
    output: Output | None = None


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How and when a process ended."""

    exit_code: int
    exited_at: datetime


class Containers:
    """The containers of one containerd."""

    def __init__(self, client: Client, settings: RuntimeSettings) -> None:
        self._client = client
        self._settings = settings

    async def record(self, record: Record) -> None:
        """Store a container's specification and labels. Raises AlreadyExists."""
        container = containers_pb2.Container(
            id=record.id,
            labels=dict(record.labels),
            image=record.image,
            runtime=containers_pb2.Container.Runtime(
                name=self._shim(record.isolation), options=self._options(record.isolation)
            ),
            spec=pack_json(SPEC, record.document),
            snapshotter=self._settings.snapshotter if record.rootfs else "",
            snapshot_key=record.id if record.rootfs else "",
        )
        request = containers_pb2.CreateContainerRequest(container=container)
        await self._client.call(f"{CONTAINERS}/Create", request, containers_pb2.CreateContainerResponse)

    async def delete_record(self, container_id: str) -> None:
        """Remove what is stored of a container without a process. Raises NotFound."""
        request = containers_pb2.DeleteContainerRequest(id=container_id)
        await self._client.call(f"{CONTAINERS}/Delete", request, Empty)

    async def keep_end(self, record: Record) -> None:
        """Have containerd keep a shim whose process ended while containerd was away, and with it the exit code.

        A containerd that starts reaps shims without processes, unless a sandbox record has their id; nothing else reads it.
        """
        runtime = types_pb2.Sandbox.Runtime(name=self._shim(record.isolation))
        request = sandboxes_pb2.StoreCreateRequest(sandbox=types_pb2.Sandbox(sandbox_id=record.id, runtime=runtime))
        with suppress(AlreadyExists):
            await self._client.call(f"{SANDBOXES}/Create", request, sandboxes_pb2.StoreCreateResponse)

    async def drop_end(self, container_id: str) -> None:
        """Let go of what `keep_end` had kept. Raises NotFound."""
        request = sandboxes_pb2.StoreDeleteRequest(sandbox_id=container_id)
        await self._client.call(f"{SANDBOXES}/Delete", request, sandboxes_pb2.StoreDeleteResponse)

    async def create_task(self, record: Record) -> int:
        """Start the shim and create the first process, stopped before its program; its pid."""
        request = tasks_pb2.CreateTaskRequest(
            container_id=record.id,
            rootfs=record.rootfs,
            stdout=str(record.output.stdout) if record.output else "",
            stderr=str(record.output.stderr) if record.output else "",
        )
        return (await self._client.call(f"{TASKS}/Create", request, tasks_pb2.CreateTaskResponse, LONG_CALL)).pid

    async def start(self, container_id: str, exec_id: str = "") -> int:
        """Run the program; its pid."""
        request = tasks_pb2.StartRequest(container_id=container_id, exec_id=exec_id)
        return (await self._client.call(f"{TASKS}/Start", request, tasks_pb2.StartResponse, LONG_CALL)).pid

    async def kill(self, container_id: str, signal: int, *, exec_id: str = "", everything: bool = False) -> bool:
        """Send a signal; whether there was a process to take it."""
        request = tasks_pb2.KillRequest(container_id=container_id, exec_id=exec_id, signal=signal, all=everything)
        try:
            await self._client.call(f"{TASKS}/Kill", request, Empty)
        except (NotFound, FailedPrecondition):
            return False
        return True

    async def wait(self, container_id: str, within: float, exec_id: str = "") -> ProcessEnd | None:
        """The end of a process, or None after `within` seconds. A containerd that restarts meanwhile is waited for.

        Raises NotFound for a process that does not exist.
        """
        deadline = time.monotonic() + within
        request = tasks_pb2.WaitRequest(container_id=container_id, exec_id=exec_id)
        while (left := deadline - time.monotonic()) > 0:
            try:
                answer = await self._client.call(f"{TASKS}/Wait", request, tasks_pb2.WaitResponse, left)
            except ContainerdUnavailable:
                await self._client.back(max(0.0, deadline - time.monotonic()))
            else:
                return ProcessEnd(answer.exit_status, when(answer.exited_at))
        return None

    async def delete_task(self, container_id: str) -> None:
        """Delete an ended process and end its shim, once that has passed on all output. Raises NotFound."""
        request = tasks_pb2.DeleteTaskRequest(container_id=container_id)
        await self._client.call(f"{TASKS}/Delete", request, tasks_pb2.DeleteResponse, LONG_CALL)

    async def labels(self, container_id: str) -> dict[str, str]:
        """A container's labels; raises NotFound."""
        request = containers_pb2.GetContainerRequest(id=container_id)
        answer = await self._client.call(f"{CONTAINERS}/Get", request, containers_pb2.GetContainerResponse)
        return dict(answer.container.labels)

    async def records(self) -> dict[str, dict[str, str]]:
        """Labels by id, of every container of ours."""
        request = containers_pb2.ListContainersRequest(filters=[f'labels."{labels.OWNER}"=={self._settings.tag}'])
        answer = await self._client.call(f"{CONTAINERS}/List", request, containers_pb2.ListContainersResponse)
        return {container.id: dict(container.labels) for container in answer.containers}

    async def document(self, container_id: str) -> Mapping[str, object]:
        """A container's stored OCI specification."""
        request = containers_pb2.GetContainerRequest(id=container_id)
        answer = await self._client.call(f"{CONTAINERS}/Get", request, containers_pb2.GetContainerResponse)
        return cast("Mapping[str, object]", json.loads(answer.container.spec.value))

    async def statuses(self) -> list[tuple[ContainerStatus, dict[str, str]]]:
        """Every container of ours, sandboxes too, with all its labels.

        A record without a process is stopped, without an exit code: nobody saw its end.
        """
        records = await self.records()
        answer = await self._client.call(
            f"{TASKS}/List", tasks_pb2.ListTasksRequest(), tasks_pb2.ListTasksResponse, LONG_CALL
        )
        processes = {process.container_id or process.id: process for process in answer.tasks}
        for name in records.keys() - processes.keys():  # the list leaves out whose shim does not answer in time
            if (process := await self._process(name)) is not None:
                processes[name] = process
        return [(self._status(name, marks, processes.get(name)), marks) for name, marks in records.items()]

    async def state_of(self, container_id: str) -> ContainerState | None:
        """What a container of ours, or a sandbox, does now; None where there is none."""
        try:
            marks = await self.labels(container_id)
        except NotFound:
            return None
        return self._status(container_id, marks, await self._process(container_id)).state

    async def is_runc(self, container_id: str) -> bool:
        """Whether there is a container with this id, and runc runs it."""
        request = containers_pb2.GetContainerRequest(id=container_id)
        with suppress(NotFound):
            found = await self._client.call(f"{CONTAINERS}/Get", request, containers_pb2.GetContainerResponse)
            return found.container.runtime.name == _RUNC_SHIM
        return False

    async def is_mute(self, container_id: str) -> bool:
        """Whether a shim gives no answer, twice, each time for as long as containerd waits. Raises ContainerdUnavailable."""
        for _ in range(2):
            if await self._process(container_id) is not _MUTE:
                return False
        return True

    async def _process(self, container_id: str) -> task_types_pb2.Process | None:
        """A container's first process; None where there is none. One whose shim gives no answer has not ended, as far as anybody knows.

        Raises ContainerdUnavailable where it is not the shim that gives no answer.
        """
        request = tasks_pb2.GetRequest(container_id=container_id)
        try:
            return (await self._client.call(f"{TASKS}/Get", request, tasks_pb2.GetResponse)).process
        except NotFound:
            return None
        except ContainerdUnavailable as error:
            await self.blame_shim(container_id, error)
            return _MUTE

    async def blame_shim(self, container_id: str, error: ContainerdUnavailable) -> None:
        """Tell that it was the shim that gave no answer. Raises ContainerdUnavailable where it was containerd."""
        await self._client.version()
        log.warning("a shim does not answer", container=container_id, reason=str(error))

    def _status(self, name: str, marks: Mapping[str, str], process: task_types_pb2.Process | None) -> ContainerStatus:
        task_id, mine = marks.get(labels.TASK, ""), labels.of_the_user(marks)
        if process is None:
            return ContainerStatus(name, task_id, ContainerState.STOPPED, 0, mine)
        state = _STATES.get(process.status, ContainerState.STOPPED)
        if state is ContainerState.STOPPED and process.exited_at.seconds <= 0:
            # gVisor's shim says "stopped" a moment before it knows the exit code.
            state = ContainerState.RUNNING
        if state is not ContainerState.STOPPED:
            return ContainerStatus(name, task_id, state, process.pid, mine)
        ended = when(process.exited_at)
        return ContainerStatus(name, task_id, state, process.pid, mine, process.exit_status, ended)

    def _shim(self, isolation: Isolation) -> str:
        return _RUNSC_SHIM if isolation is Isolation.GVISOR else _RUNC_SHIM

    def _options(self, isolation: Isolation) -> Any:
        if isolation is Isolation.GVISOR:
            path = str(self._settings.runsc_config_file)
            return pack(runtime_options_pb2.Options(type_url=_RUNSC_OPTIONS, config_path=path))
        root = str(self._settings.state / "runc")
        return pack(runc_options_pb2.Options(binary_name=str(self._settings.engines.runc), root=root))


def open_output(output: Output) -> None:
    """Make the files that the shim appends to, where they don't exist."""
    for path in (output.stdout, output.stderr):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR))
