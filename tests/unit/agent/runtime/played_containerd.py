"""A containerd that has one container."""

from __future__ import annotations

from typing import Any, cast

from google.protobuf.empty_pb2 import Empty

from roadstead.agent.runtime import labels
from roadstead.agent.runtime.api import containers_pb2, snapshots_pb2, task_types_pb2, tasks_pb2
from roadstead.agent.runtime.containers import Containers
from roadstead.agent.runtime.endings import Endings
from roadstead.agent.runtime.errors import AlreadyExists, ContainerdUnavailable, NotFound
from roadstead.agent.runtime.snapshots import Snapshots

RUNS = task_types_pb2.Process(id="a", pid=7, status=task_types_pb2.RUNNING)


class Engine:
    """Has the record of a container `a`; of its process it says in a list and alone what a test has it say."""

    def __init__(self) -> None:
        self.listed: list[task_types_pb2.Process] = []
        self.alone: task_types_pb2.Process | Exception = NotFound("a: not found")
        self.deletion: Exception | None = NotFound("no process")
        """What it answers to a signal or a deletion; None where that succeeds."""
        self.closed = 0
        """How many questions a containerd answers that has not taken away yet what a dead shim left."""
        self.away = False
        self.calls: list[str] = []
        self.there: set[str] = set()

    async def call(self, path: str, request: Any, answer: Any, within: float = 10.0) -> Any:
        service, _, method = path.rpartition("/")
        name = f"{service.rpartition('.')[2]}/{method}"
        self.calls.append(name)
        match name:
            case "Containers/List":
                return containers_pb2.ListContainersResponse(containers=[_record()])
            case "Containers/Get":
                return containers_pb2.GetContainerResponse(container=_record())
            case "Tasks/List":
                return tasks_pb2.ListTasksResponse(tasks=self.listed)
            case "Tasks/Get":
                if isinstance(self.alone, Exception):
                    raise self.alone
                return tasks_pb2.GetResponse(process=self.alone)
            case "Tasks/Create":
                return tasks_pb2.CreateTaskResponse(pid=RUNS.pid)
            case "Snapshots/Prepare" | "Containers/Create":
                if name in self.there:
                    raise AlreadyExists(name)
                self.there.add(name)
                return snapshots_pb2.PrepareSnapshotResponse() if "Prepare" in name else Empty()
            case "Tasks/Delete" | "Tasks/Kill":
                if self.closed:
                    self.closed -= 1
                    if not self.closed:
                        self.deletion = NotFound("taken away")
                if self.deletion is not None:
                    raise self.deletion
            case "Containers/Delete":
                self.there.discard("Containers/Create")
            case "Snapshots/Remove":
                self.there.discard("Snapshots/Prepare")
            case _:
                pass
        return Empty()

    async def version(self) -> str:
        if self.away:
            raise ContainerdUnavailable("away")
        return "2"


class Parts:
    """What asks `engine`."""

    def __init__(self, engine: Engine) -> None:
        client, settings = cast("Any", engine), cast("Any", Settings())
        self.containers = Containers(client, settings)
        self.snapshots = Snapshots(client, settings)
        self.endings = Endings(self.containers, self.snapshots, settings)


class Settings:
    socket, namespace = "containerd.sock", "roadstead"
    snapshotter, tag = "overlayfs", "tag"
    runsc_config_file = "runsc.toml"


def _record() -> containers_pb2.Container:
    return containers_pb2.Container(id="a", labels={labels.TASK: "t1"})
