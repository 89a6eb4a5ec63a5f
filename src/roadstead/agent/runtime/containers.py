"""Containers and their processes through containerd's API: records, root file systems, shims, signals, ends."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, cast

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
    snapshots_pb2,
    task_types_pb2,
    tasks_pb2,
    types_pb2,
)
from roadstead.agent.runtime.cleanup import remove_bundle
from roadstead.agent.runtime.client import LONG_CALL, Client
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.errors import (
    AlreadyExists,
    ContainerdError,
    ContainerdUnavailable,
    FailedPrecondition,
    NotFound,
)
from roadstead.agent.runtime.model import ContainerState, ContainerStatus, Isolation, Output
from roadstead.agent.runtime.shims import kill_kernel, kill_shim
from roadstead.agent.runtime.spec import Document
from roadstead.engines.subprocesses import run

CONTAINERS = "/containerd.services.containers.v1.Containers"
TASKS = "/containerd.services.tasks.v1.Tasks"
SNAPSHOTS = "/containerd.services.snapshots.v1.Snapshots"
SANDBOXES = "/containerd.services.sandbox.v1.Store"

log = structlog.get_logger(__name__)

GC_ROOT = "containerd.io/gc.root"
_RUNC_SHIM = "io.containerd.runc.v2"
_RUNSC_SHIM = "io.containerd.runsc.v1"
_RUNSC_OPTIONS = "io.containerd.runsc.v1.options"
_SIGKILL = 9
T = TypeVar("T")

KILL_SECONDS = 30.0
_RETRY = 0.05
_LAYER_OPTION = "lowerdir="

_MUTE_AT_DELETION = "the shim of a container that is deleted does not answer: it was killed"
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


def layer_directories(mounts: list[types_pb2.Mount]) -> list[Path]:
    """The directories of a prepared snapshot's layers, the topmost first."""
    for mount in mounts:
        for option in mount.options:
            if option.startswith(_LAYER_OPTION):
                return [Path(layer) for layer in option.removeprefix(_LAYER_OPTION).split(":")]
    return [Path(mount.source) for mount in mounts if mount.type == "bind"]


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

    async def prepare_rootfs(self, container_id: str, chain_id: str) -> list[types_pb2.Mount]:
        """A writable layer on an image's; the mounts that make it a root file system."""
        request = snapshots_pb2.PrepareSnapshotRequest(
            snapshotter=self._settings.snapshotter,
            key=container_id,
            parent=chain_id,
            labels={GC_ROOT: datetime.now(UTC).isoformat(timespec="seconds"), labels.OWNER: self._settings.tag},
        )
        answer = await _anew(
            lambda: self._client.call(f"{SNAPSHOTS}/Prepare", request, snapshots_pb2.PrepareSnapshotResponse),
            lambda: self.delete(container_id),
        )
        return list(answer.mounts)

    async def record(self, record: Record) -> None:
        """Store a container's specification and labels."""
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
        await _anew(
            lambda: self._client.call(f"{CONTAINERS}/Create", request, containers_pb2.CreateContainerResponse),
            lambda: self._delete_record(record.id),
        )

    async def keep_end(self, record: Record) -> None:
        """Have containerd keep a shim whose process ended while containerd was away, and with it the exit code.

        A containerd that starts reaps shims without processes, unless a sandbox record has their id; nothing else reads it.
        """
        runtime = types_pb2.Sandbox.Runtime(name=self._shim(record.isolation))
        request = sandboxes_pb2.StoreCreateRequest(sandbox=types_pb2.Sandbox(sandbox_id=record.id, runtime=runtime))
        with suppress(AlreadyExists):
            await self._client.call(f"{SANDBOXES}/Create", request, sandboxes_pb2.StoreCreateResponse)

    async def create_task(self, record: Record) -> int:
        """Start the shim and create the first process, stopped before its program; its pid."""
        request = tasks_pb2.CreateTaskRequest(
            container_id=record.id,
            rootfs=record.rootfs,
            stdout=str(record.output.stdout) if record.output else "",
            stderr=str(record.output.stderr) if record.output else "",
        )
        return (await self._client.call(f"{TASKS}/Create", request, tasks_pb2.CreateTaskResponse, LONG_CALL)).pid

    async def discard_gvisor_state(self, container_id: str) -> None:
        """Have gVisor forget what it knows of a container whose creation was killed; a failure shows in the next attempt."""
        program = str(self._settings.engines.runsc)
        done = await run([program, "--root", str(self._settings.gvisor_state), "delete", "--force", container_id])
        if done.status:
            log.warning("gVisor keeps a container's state", container=container_id, reason=done.stderr)

    async def discard_bundle(self, container_id: str) -> None:
        """Take away the directory of a container that containerd does not know, and its shim; a failure shows in the next attempt."""
        await asyncio.to_thread(kill_shim, container_id, self._settings.socket, self._settings.namespace)
        try:
            await asyncio.to_thread(remove_bundle, self._settings.bundles / container_id)
        except OSError as error:
            log.warning("what is left of a container stays", container=container_id, reason=str(error))

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

    async def stop(self, container_id: str, signal: int, grace: float) -> None:
        """Signal, wait, and kill what is left after `grace` seconds. Returns when nothing runs. Raises ContainerdError."""
        try:
            if grace > 0 and await self._ends_by(container_id, signal, grace):
                return
            if await self._ends_by(container_id, _SIGKILL, KILL_SECONDS, everything=True):
                return
            if not await self._ends_with_its_shim(container_id):
                raise ContainerdError(f"{container_id} did not end within {KILL_SECONDS:g} s of SIGKILL")
        except NotFound:
            return

    async def _ends_by(self, container_id: str, signal: int, within: float, *, everything: bool = False) -> bool:
        """Signal and wait; whether the process ended. A signal other than SIGKILL that nobody takes is not waited for.

        Raises ContainerdUnavailable where it is not the shim that gives no answer.
        """
        try:
            taken = await self.kill(container_id, signal, everything=everything)
        except ContainerdUnavailable:
            await self._client.version()
            log.warning("a shim does not answer", container=container_id)
            return False
        if not taken and signal != _SIGKILL:
            return False
        return await self.wait(container_id, within) is not None

    async def _ends_with_its_shim(self, container_id: str) -> bool:
        """Kill the container's shim and the kernel that it runs on; whether that ended the container.

        containerd takes away what a dead shim leaves. For a shim that does nothing, or does not answer: gVisor's is left so by a containerd
        that was killed in the middle of a start, and by a sandbox that hangs, as then do all containers of the task.
        """
        marks = await self.labels(container_id)
        if marks.get(labels.ISOLATION) == Isolation.GVISOR.value:
            await asyncio.to_thread(kill_kernel, marks[labels.MEMORY_GROUP], self._settings.gvisor_state)
        return await self._goes_with_its_shim(container_id, "a container outlived SIGKILL: its shim was killed")

    async def _goes_with_its_shim(self, container_id: str, why: str) -> bool:
        """Kill the container's shim; whether containerd took away what that left."""
        if not await asyncio.to_thread(kill_shim, container_id, self._settings.socket, self._settings.namespace):
            return False
        log.warning(why, container=container_id)
        deadline = time.monotonic() + KILL_SECONDS
        while await self.state_of(container_id) not in (None, ContainerState.STOPPED):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_RETRY)
        return True

    async def delete(self, container_id: str) -> None:
        """Remove process, record and writable layer, whatever of them exists.

        containerd answers for the process when its shim has passed on all output.
        """
        await self._delete_record(container_id)
        with suppress(NotFound):
            await self.remove_snapshot(container_id)
        with suppress(NotFound):
            end = sandboxes_pb2.StoreDeleteRequest(sandbox_id=container_id)
            await self._client.call(f"{SANDBOXES}/Delete", end, sandboxes_pb2.StoreDeleteResponse)

    async def _delete_record(self, container_id: str) -> None:
        with suppress(NotFound):
            await self._delete_task(container_id)
        with suppress(NotFound):
            await self._client.call(
                f"{CONTAINERS}/Delete", containers_pb2.DeleteContainerRequest(id=container_id), Empty
            )

    async def _delete_task(self, container_id: str) -> None:
        request = tasks_pb2.DeleteTaskRequest(container_id=container_id)
        if await self._is_mute(container_id):
            # As gVisor's is left by a containerd that was killed while it made a container: it would never answer this either.
            await self._goes_with_its_shim(container_id, _MUTE_AT_DELETION)
        if await self._is_runc(container_id):
            with suppress(ContainerdError):
                # For a process that was made and never run: runc's shim waits ten seconds for the end of its output otherwise.
                # gVisor's has no such wait, and there this signal is never answered.
                await self.kill(container_id, _SIGKILL)
        deadline = time.monotonic() + KILL_SECONDS
        while True:
            try:
                await self._client.call(f"{TASKS}/Delete", request, tasks_pb2.DeleteResponse, LONG_CALL)
            except NotFound:
                raise
            except ContainerdUnavailable:
                await self._client.version()
                if not await self._goes_with_its_shim(container_id, _MUTE_AT_DELETION):
                    raise
                deadline = time.monotonic() + KILL_SECONDS
                continue
            except ContainerdError:
                # The engines refuse a process that runs, each in words of its own, gVisor for a while after its sandbox died, and
                # containerd until it has taken away what a dead shim left.
                if time.monotonic() > deadline:
                    raise
            else:
                return
            with suppress(ContainerdError):  # the deletion has the last word
                await self.stop(container_id, _SIGKILL, 0)
            await asyncio.sleep(_RETRY)

    async def _is_runc(self, container_id: str) -> bool:
        request = containers_pb2.GetContainerRequest(id=container_id)
        with suppress(NotFound):
            found = await self._client.call(f"{CONTAINERS}/Get", request, containers_pb2.GetContainerResponse)
            return found.container.runtime.name == _RUNC_SHIM
        return False

    async def remove_snapshot(self, key: str) -> None:
        """Remove a writable layer."""
        request = snapshots_pb2.RemoveSnapshotRequest(snapshotter=self._settings.snapshotter, key=key)
        await self._client.call(f"{SNAPSHOTS}/Remove", request, Empty, LONG_CALL)

    async def snapshots(self) -> list[str]:
        """The keys of the writable layers that we made."""
        request = snapshots_pb2.ListSnapshotsRequest(
            snapshotter=self._settings.snapshotter, filters=[f'labels."{labels.OWNER}"=={self._settings.tag}']
        )
        pages = await self._client.collect(f"{SNAPSHOTS}/List", request, snapshots_pb2.ListSnapshotsResponse)
        return [info.name for page in pages for info in page.info]

    async def layers(self, key: str) -> list[Path]:
        """The directories of a writable layer and of those below it, the topmost first."""
        request = snapshots_pb2.MountsRequest(snapshotter=self._settings.snapshotter, key=key)
        mounts = (await self._client.call(f"{SNAPSHOTS}/Mounts", request, snapshots_pb2.MountsResponse)).mounts
        return layer_directories(list(mounts))

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

    async def _is_mute(self, container_id: str) -> bool:
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
            await self._client.version()
            log.warning("a shim does not answer", container=container_id, reason=str(error))
            return _MUTE

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


async def _anew(make: Callable[[], Awaitable[T]], take_away: Callable[[], Awaitable[None]]) -> T:
    """Make what may be there already, because an agent that was killed asked for it and containerd did it only now: that is taken away first."""
    try:
        return await make()
    except AlreadyExists:
        await take_away()
        return await make()


def open_output(output: Output) -> None:
    """Make the files that the shim appends to, where they don't exist."""
    for path in (output.stdout, output.stderr):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR))
