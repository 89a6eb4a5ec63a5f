"""An agent died between asking for a container's start and writing down that it runs: what the next one makes of what it finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.support.waiting import reached

from roadstead.agent.ecs.container_events import VANISHED
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.engine import Engine
from roadstead.agent.ecs.launch import runtime_id
from roadstead.agent.ecs.records import ContainerRecord, RecordStore, TaskChange, TaskRecord
from roadstead.agent.ecs.runner import TaskRunner
from roadstead.agent.ecs.settings import EcsSettings
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.errors import (
    CannotCreateContainer,
    ContainerdError,
    ContainerdUnavailable,
    NotFound,
    RegistryAway,
)
from roadstead.agent.runtime.model import (
    LOST_EXIT_CODE,
    ContainerExit,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    Image,
    ImageConfig,
    Isolation,
    Output,
    TaskSpec,
)
from roadstead.core.taskengine import states
from roadstead.core.taskengine.model import Desired, Resource
from roadstead.core.taskengine.resume import START_BROKEN_OFF
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


async def test_what_is_left_of_a_start_that_nobody_saw_is_thrown_away_and_made_again(resumed: Resumed):
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    resumed.end(LOST_EXIT_CODE, lost=True)
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "remove", "create", "start"]


async def test_what_is_made_again_is_made_of_the_image_that_it_was_made_of(resumed: Resumed):
    digest = f"sha256:{'1' * 64}"
    resumed.container.image_digest = digest
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.images == [f"docker.io/library/web@{digest}"], "its tag may point to another one by now"


async def test_what_is_made_again_is_isolated_as_it_was(resumed: Resumed):
    assert resumed.tools.fargate_runtime() == "gvisor"
    resumed.runner.record.isolation = Isolation.RUNC
    resumed.runner.record.task = msgspec.structs.replace(TASK, launch_type="FARGATE")
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert [each.isolation for each in resumed.runtime.tasks] == [Isolation.RUNC]


async def test_what_waits_for_a_server_that_is_away_to_be_made_again_can_be_stopped(resumed: Resumed):
    resumed.runtime.no_image = RegistryAway("refused")
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    await reached(lambda: resumed.runtime.images, "the server was asked")
    resumed.runner.stop()
    await resumed.around.until("STOPPED")


@pytest.mark.parametrize("step", ["create", "start"])
async def test_what_containerd_never_answers_for_can_be_stopped(resumed: Resumed, step: str):
    def hang() -> None:
        raise ContainerdUnavailable("Stream reset by remote party")

    if step == "start":
        resumed.runtime.at_start = hang
    else:
        resumed.runtime.refusal = ContainerdUnavailable("Stream reset by remote party")
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    await reached(lambda: resumed.runtime.calls.count(step) > 1, "it is tried again")
    resumed.runner.stop()
    change = await resumed.around.until("STOPPED")
    assert "Stream reset" in (change.containers[0].reason or "")
    await reached(lambda: resumed.runtime.calls[-1] == "remove", "what may have begun is taken away")


async def test_a_start_that_gvisor_broke_off_is_no_end_of_the_program(resumed: Resumed):
    resumed.find(ContainerState.STOPPED, START_BROKEN_OFF)
    resumed.run()
    resumed.end(START_BROKEN_OFF)
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "remove", "create", "start"]


async def test_a_container_that_gets_lost_after_it_was_found_is_made_again(resumed: Resumed):
    resumed.find(ContainerState.CREATED)
    resumed.end(LOST_EXIT_CODE, lost=True)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "remove", "create", "start"]


async def test_a_container_that_was_only_made_is_started(resumed: Resumed):
    resumed.find(ContainerState.CREATED)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "start"]


async def test_a_program_that_ran_and_ended_meanwhile_is_told_with_its_exit_code(resumed: Resumed):
    resumed.find(ContainerState.STOPPED, 7)
    resumed.run()
    await resumed.around.until("RUNNING")
    resumed.end(7)
    assert (await resumed.around.until("STOPPED")).containers[0].exit_code == 7
    assert "start" not in resumed.runtime.calls
    assert resumed.container.started_at == AT.timestamp()


async def test_what_ended_meanwhile_counts_from_when_it_was_made(resumed: Resumed):
    resumed.container.created_at = AT.timestamp() - 400
    resumed.find(ContainerState.STOPPED, 7)
    assert resumed.container.started_at == AT.timestamp() - 400


@pytest.mark.parametrize("resumed", [RESTARTED], indirect=True)
@pytest.mark.parametrize("found", [ContainerState.CREATED, ContainerState.RUNNING])
async def test_what_was_started_unseen_and_ended_soon_is_not_restarted(resumed: Resumed, found: ContainerState):
    resumed.container.started_at = AT.timestamp() - 1000  # of the attempt before
    resumed.container.created_at = AT.timestamp() - 5
    resumed.find(found)
    resumed.end(7)
    resumed.run()
    assert (await resumed.around.until("STOPPED")).containers[0].exit_code == 7
    assert resumed.container.started_at == AT.timestamp() - 5


async def test_what_the_restart_policy_replaces_is_taken_away_also_by_the_next_agent(resumed: Resumed):
    resumed.container.state, resumed.container.attempt = states.ContainerState.PULLED, 1
    resumed.find(ContainerState.STOPPED, 7)
    resumed.end(7)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert sorted(resumed.runtime.calls) == ["create", "remove", "sandbox", "start"]
    assert resumed.around.closed == [NAME]
    assert resumed.container.runtime_id == runtime_id(TASK, "main", 1)


async def test_a_program_that_runs_is_left_alone(resumed: Resumed):
    resumed.find(ContainerState.RUNNING)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox"]


@pytest.mark.parametrize("resumed", [UNREADABLE], indirect=True)
async def test_a_program_of_a_task_that_this_agent_takes_no_more_is_ended(resumed: Resumed):
    resumed.find(ContainerState.RUNNING)
    resumed.runtime.at_stop = lambda: resumed.end(143)
    resumed.run()
    assert (await resumed.around.until("STOPPED")).containers[0].exit_code == 143


@pytest.mark.parametrize("told", [True, False])
async def test_an_end_that_nobody_saw_is_the_same_whoever_finds_out(resumed: Resumed, *, told: bool):
    """Its process ran and is gone: known by the news that its shim is lost, or because the runtime has nothing of it."""
    resumed.container.state = states.ContainerState.RUNNING
    if told:
        resumed.find(ContainerState.STOPPED)
        resumed.end(LOST_EXIT_CODE, lost=True)
    else:
        resumed.runner.resume({})
    resumed.run()
    [container] = (await resumed.around.until("STOPPED")).containers
    assert (container.exit_code, container.reason) == (LOST_EXIT_CODE, VANISHED)


async def test_a_container_that_is_gone_after_its_stop_ended_unseen(resumed: Resumed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("roadstead.agent.ecs.container_events._EXIT_PATIENCE", 0.01)
    resumed.container.state = states.ContainerState.RUNNING
    resumed.find(ContainerState.RUNNING)
    resumed.run()
    resumed.runner.stop()
    [container] = (await resumed.around.until("STOPPED")).containers
    assert (container.exit_code, container.reason) == (LOST_EXIT_CODE, VANISHED)


async def test_the_end_of_an_attempt_that_was_broken_off_ends_nothing(resumed: Resumed):
    resumed.find(ContainerState.CREATED)
    resumed.runtime.at_start = lambda: resumed.end(START_BROKEN_OFF)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "start", "watch again"]
    assert resumed.container.state is states.ContainerState.RUNNING


async def test_a_true_end_during_the_start_is_told_when_that_is_done(resumed: Resumed):
    resumed.find(ContainerState.CREATED)
    resumed.runtime.at_start = lambda: resumed.end(7)
    resumed.runtime.at_watch = lambda: resumed.end(7)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert (await resumed.around.until("STOPPED")).containers[0].exit_code == 7


async def test_a_reason_that_no_file_can_hold_is_told_all_the_same(resumed: Resumed):
    resumed.find(ContainerState.STOPPED)
    resumed.runtime.refusal = CannotCreateContainer("unable to find user \ud800: no matching entries in passwd file")
    resumed.run()
    stopped = await resumed.around.until("STOPPED")
    assert stopped.containers[0].reason == (
        "CannotCreateContainerError: unable to find user ?: no matching entries in passwd file"
    )


async def test_a_network_is_freed_after_its_making_was_broken_off(resumed: Resumed):
    resumed.container.state, resumed.container.runtime_id = states.ContainerState.NONE, ""
    resumed.runner.record.network = Resource.MISSING
    resumed.runtime.no_image = RegistryAway("refused")
    resumed.run()
    await reached(lambda: resumed.around.network and resumed.runtime.images, "the network and the image are waited for")
    resumed.runner.stop()
    await reached(lambda: "freed" in resumed.around.network, "the network was freed")
    assert resumed.around.network == ["begun", "ended", "freed"]


async def test_a_long_reason_is_told_whole(resumed: Resumed):
    resumed.find(ContainerState.STOPPED)
    resumed.runtime.refusal = CannotCreateContainer(f"{'a' * 800}: because of this")
    resumed.run()
    stopped = await resumed.around.until("STOPPED")
    assert stopped.containers[0].reason.endswith(": because of this")


async def test_what_an_earlier_agent_left_and_nobody_can_remove_keeps_no_agent_from_working(resumed: Resumed):
    engine = Engine(resumed.tools)
    running = asyncio.create_task(engine.run())
    ready = asyncio.create_task(engine.ready())
    await asyncio.wait([running, ready], timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert not running.done()
    assert ready.done()
    running.cancel()
    await asyncio.wait([running])
