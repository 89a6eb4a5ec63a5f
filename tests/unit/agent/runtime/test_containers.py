"""What is asked of containerd about containers. `Engine` plays it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from google.protobuf.empty_pb2 import Empty

from roadstead.agent.runtime import containers as containers_module
from roadstead.agent.runtime import labels
from roadstead.agent.runtime.api import containers_pb2, snapshots_pb2, task_types_pb2, tasks_pb2
from roadstead.agent.runtime.containers import Containers, Record
from roadstead.agent.runtime.errors import AlreadyExists, ContainerdError, ContainerdUnavailable, NotFound
from roadstead.agent.runtime.model import ContainerState, Isolation

RUNS = task_types_pb2.Process(id="a", pid=7, status=task_types_pb2.RUNNING)


class Engine:
    """Has the record of a container `a`; of its process it says in a list and alone what a test has it say."""

    def __init__(self) -> None:
        self.listed: list[task_types_pb2.Process] = []
        self.alone: task_types_pb2.Process | Exception = NotFound("a: not found")
        self.deletion: Exception = NotFound("no process")
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


class Settings:
    socket, namespace = "containerd.sock", "roadstead"
    snapshotter, tag = "overlayfs", "tag"
    runsc_config_file = "runsc.toml"


def _record() -> containers_pb2.Container:
    return containers_pb2.Container(id="a", labels={labels.TASK: "t1"})


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def containers(engine: Engine) -> Containers:
    return Containers(cast("Any", engine), cast("Any", Settings()))


async def state(containers: Containers) -> ContainerState:
    """As the list of all says, and the question for one."""
    ((status, _),) = await containers.statuses()
    assert await containers.state_of("a") is status.state
    return status.state


async def test_what_the_list_leaves_out_is_asked_for_alone(engine: Engine, containers: Containers) -> None:
    engine.alone = RUNS
    assert await state(containers) is ContainerState.RUNNING


async def test_a_record_without_a_process_is_stopped(containers: Containers) -> None:
    assert await state(containers) is ContainerState.STOPPED


async def test_one_whose_shim_does_not_answer_has_not_ended(engine: Engine, containers: Containers) -> None:
    engine.alone = ContainerdUnavailable("context deadline exceeded")
    assert await state(containers) is ContainerState.RUNNING


async def test_a_containerd_that_is_away_is_no_shim_that_does_not_answer(
    engine: Engine, containers: Containers
) -> None:
    engine.alone, engine.away = ContainerdUnavailable("connection refused"), True
    with pytest.raises(ContainerdUnavailable):
        await containers.statuses()
    with pytest.raises(ContainerdUnavailable):
        await containers.state_of("a")


async def test_a_shim_that_does_not_answer_is_killed_with_what_is_deleted(
    engine: Engine, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(container_id: str, *_: object) -> bool:
        engine.alone = NotFound("its shim is gone")
        engine.calls.append(f"killed {container_id}")
        return True

    monkeypatch.setattr(containers_module, "kill_shim", killed)
    engine.alone = ContainerdUnavailable("context deadline exceeded")
    await containers.delete("a")
    assert engine.calls.index("killed a") < engine.calls.index("Tasks/Delete")
    engine.calls.clear()
    engine.alone = RUNS
    await containers.delete("a")
    assert "killed a" not in engine.calls


async def test_a_deletion_that_never_ends_is_ended_with_its_shim(
    engine: Engine, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(container_id: str, *_: object) -> bool:
        engine.alone, engine.deletion = NotFound("its shim is gone"), ContainerdError("ttrpc: closed")
        engine.closed = 3
        return True

    monkeypatch.setattr(containers_module, "kill_shim", killed)
    engine.alone, engine.deletion = RUNS, ContainerdUnavailable("context deadline exceeded")
    monkeypatch.setattr(containers_module, "KILL_SECONDS", 0.5)
    await containers.delete("a")
    assert "Containers/Delete" in engine.calls
    engine.alone, engine.deletion, engine.away = RUNS, ContainerdUnavailable("connection refused"), True
    with pytest.raises(ContainerdUnavailable):
        await containers.delete("a")


async def test_what_a_killed_agent_asked_for_late_is_taken_away(engine: Engine, containers: Containers) -> None:
    engine.there = {"Snapshots/Prepare", "Containers/Create"}
    record = Record(id="a", image="web", isolation=Isolation.GVISOR, document=cast("Any", {}), labels={})
    await containers.prepare_rootfs("a", "sha256:1")
    assert engine.there == {"Snapshots/Prepare"}, "made anew, and the record of before is gone"
    engine.there.add("Containers/Create")
    await containers.record(record)
    assert engine.there == {"Snapshots/Prepare", "Containers/Create"}, "the writable layer stays"
