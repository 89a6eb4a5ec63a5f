"""A runner whose record says that its container was made; what it asks for around it is played, and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.launch import runtime_id
from roadstead.agent.ecs.records import ContainerRecord, RecordStore, TaskChange, TaskRecord
from roadstead.agent.ecs.runner import TaskRunner
from roadstead.agent.ecs.settings import EcsSettings
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.errors import (
    ContainerdError,
    NotFound,
)
from roadstead.agent.runtime.model import (
    ContainerExit,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    Image,
    ImageConfig,
    Output,
    TaskSpec,
)
from roadstead.core.taskengine import states
from roadstead.core.taskengine.model import Desired, Resource
from roadstead.kernel.clock import SystemClock
from roadstead.wire.task import Container, RestartPolicy, Task

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/default/0123456789abcdef0123456789abcdef"
TASK = Task(arn=ARN, network_mode="none", containers=(Container(name="main", image="web", essential=True),))
UNREADABLE = msgspec.structs.replace(TASK, enable_fault_injection=True)
RESTARTED = msgspec.structs.replace(
    TASK,
    containers=(msgspec.structs.replace(TASK.containers[0], restart_policy=RestartPolicy(enabled=True)),),
)
NAME = runtime_id(TASK, "main", 0)
AT = datetime(2026, 1, 2, tzinfo=UTC)


class Runtime:
    """Does what it is told, and remembers it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.tasks: list[TaskSpec] = []
        self.images: list[str] = []
        self.no_image: Exception | None = None
        self.refusal: Exception | None = None
        self.at_start: Callable[[], object] = bool
        self.at_stop: Callable[[], object] = bool
        self.at_watch: Callable[[], object] = bool

    async def list(self) -> list[ContainerStatus]:
        return [ContainerStatus("stray-1", "stray", ContainerState.RUNNING, 7, {})]

    async def remove_task(self, task_id: str) -> None:
        if task_id == "stray":
            raise ContainerdError(f"{task_id} did not end within 30 s of SIGKILL")

    async def watch_exits(self) -> AsyncIterator[ContainerExit]:
        await asyncio.Event().wait()
        yield ContainerExit("", "", 0, AT)

    async def ensure_image(self, reference: str, *_: object) -> Image:
        self.images.append(reference)
        if self.no_image is not None:
            raise self.no_image
        return Image(reference, "sha256:1", "sha256:1", "", ImageConfig(), 1)

    async def create_task(self, task: TaskSpec) -> None:
        self.calls.append("sandbox")
        self.tasks.append(task)

    async def create(self, spec: ContainerSpec) -> None:
        self.calls.append("create")
        if self.refusal is not None:
            raise self.refusal

    async def renew_sandbox(self, *_: object) -> None: ...

    async def start(self, container_id: str) -> None:
        self.calls.append("start")
        self.at_start()

    async def stop(self, container_id: str, *, signal: int, grace: float) -> None:
        self.calls.append("stop")
        self.at_stop()

    async def watch_again(self, container_id: str) -> None:
        self.calls.append("watch again")
        self.at_watch()

    async def state(self, container_id: str) -> ContainerStatus:
        raise NotFound(container_id)

    async def remove(self, container_id: str) -> None:
        self.calls.append("remove")


class Around:
    """Network, output, registry and API of one task."""

    def __init__(self) -> None:
        self.told: list[TaskChange] = []
        self.closed: list[str] = []
        self.network: list[str] = []
        self.news = asyncio.Event()

    async def open(self, *_: object) -> Output:
        return Output(Path("/out"), Path("/err"))

    def resume(self, *_: object) -> None: ...

    async def close(self, runtime_id: str) -> None:
        self.closed.append(runtime_id)

    async def header(self, *_: object) -> None:
        return None

    async def call(self, service: str, operation: str, change: TaskChange, *_: object) -> None:
        self.told.append(change)
        self.news.set()

    def path(self, task_id: str) -> Path:
        return Path("/netns")

    async def strays(self, known: frozenset[str]) -> None: ...

    async def make(self, *_: object) -> None:
        self.network.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)  # as a thread that can't be broken off
            self.network.append("ended")

    async def free(self, *_: object) -> None:
        self.network.append("freed")

    async def until(self, status: str) -> TaskChange:
        async with asyncio.timeout(5):
            while True:
                for change in self.told:
                    if change.containers[0].status == status:
                        return change
                self.news.clear()
                await self.news.wait()


class Resumed:
    """A runner whose record says that its container was made, and not that it was started."""

    def __init__(self, directory: Path, task: Task = TASK) -> None:
        self.runtime, self.around = Runtime(), Around()
        settings = EcsSettings(directory, directory, "default", "eu-west-1", 1024, 1024, "http://169.254.170.3")
        self.tools = tools = Tools(
            settings=settings,
            clock=SystemClock(),
            api=cast("Any", self.around),
            runtime=cast("Any", self.runtime),
            networks=cast("Any", self.around),
            registry=cast("Any", self.around),
            output=cast("Any", self.around),
            credentials=CredentialStore(),
            records=RecordStore(settings.records),
            fargate_runtime=lambda: "gvisor",
        )
        self.container = ContainerRecord(name="main", state=states.ContainerState.CREATED, runtime_id=NAME)
        record = TaskRecord(
            task=task,
            desired=Desired.RUNNING,
            containers={"main": self.container},
            received_at=AT.timestamp(),
            network=Resource.READY,
            sandbox=Resource.READY,
        )
        self.runner = TaskRunner(tools, record)
        self.running: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.running = asyncio.create_task(self.runner.run())

    def find(self, state: ContainerState, exit_code: int | None = None) -> None:
        ended = AT if exit_code is not None else None
        self.runner.resume({NAME: ContainerStatus(NAME, self.runner.record.id, state, 0, {}, exit_code, ended)})

    def end(self, exit_code: int, *, lost: bool = False) -> None:
        self.runner.on_exit(ContainerExit(NAME, self.runner.record.id, exit_code, AT, lost=lost))


@pytest.fixture
async def resumed(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Resumed]:
    made = Resumed(tmp_path, getattr(request, "param", TASK))
    yield made
    if made.running is not None:
        made.running.cancel()
        await asyncio.wait([made.running])
