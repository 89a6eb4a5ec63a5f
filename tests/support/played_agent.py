"""An agent whose links and task engine are real; containers, namespaces and the host are played."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Container, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from roadstead.agent.client import ApiClient, HostStream
from roadstead.agent.client.retry import Backoff
from roadstead.agent.ecs.acs_link import AcsLink
from roadstead.agent.ecs.acs_link import AcsTimers as AgentTimers
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.engine import Engine
from roadstead.agent.ecs.identity import IdentityFile
from roadstead.agent.ecs.launch import Launch
from roadstead.agent.ecs.network import NetworkPlan
from roadstead.agent.ecs.records import RecordStore
from roadstead.agent.ecs.registration import Registration
from roadstead.agent.ecs.registry_auth import RegistryAuthenticator
from roadstead.agent.ecs.settings import EcsSettings
from roadstead.agent.ecs.tcs_link import TcsLink
from roadstead.agent.ecs.telemetry import Sampler
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.cgroups import TaskUsage
from roadstead.agent.runtime.errors import ContainerdUnavailable, NotFound
from roadstead.agent.runtime.model import (
    ContainerExit,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ExecSpec,
    Image,
    ImageConfig,
    Output,
    TaskSpec,
)
from roadstead.kernel.clock import SystemClock
from roadstead.wire.hosts import ChangeFrame, HostResource, HostResourceStatus, ListFrame
from roadstead.wire.hosts import Condition as HostCondition
from roadstead.wire.task import Task

CLOCK = SystemClock()
FAST = Backoff(first=0.02, limit=0.2)


class FakeRuntime:
    """Containers that are only remembered. What the tests end, fail or lose is theirs to say."""

    def __init__(self) -> None:
        self.containers: dict[str, ContainerStatus] = {}
        self.specs: dict[str, ContainerSpec] = {}
        self.tasks: set[str] = set()
        self.stopped: list[tuple[str, int, float]] = []
        self.images: dict[str, Exception] = {}
        self.kept: list[tuple[Container[str], float]] = []
        self.pulling: asyncio.Event | None = None
        self.exec_code = 0
        self._exits: list[asyncio.Queue[ContainerExit]] = []

    async def ensure_image(self, reference: str, authorization: str | None, progress: object = None) -> Image:
        if self.pulling is not None:
            await self.pulling.wait()
        if reference in self.images:
            raise self.images[reference]
        return Image(reference, "sha256:" + "0" * 64, "sha256:" + "0" * 64, "", ImageConfig(), 1)

    async def remove_unused_images(self, keep: Container[str], unused_for: float) -> list[str]:
        self.kept.append((keep, unused_for))
        if len(self.kept) == 1:
            raise ContainerdUnavailable("containerd is starting")
        return []

    async def create_task(self, task: TaskSpec) -> None:
        self.tasks.add(task.id)

    async def remove_task(self, task_id: str) -> None:
        self.tasks.discard(task_id)
        for identity in [each.id for each in self.containers.values() if each.task_id == task_id]:
            del self.containers[identity]

    async def create(self, spec: ContainerSpec) -> None:
        assert spec.task_id in self.tasks
        assert spec.id not in self.containers
        self.specs[spec.id] = spec
        self._put(spec.id, spec.task_id, ContainerState.CREATED)

    async def renew_sandbox(self, task_id: str, prepare: object) -> None:
        assert task_id in self.tasks

    async def start(self, container_id: str) -> None:
        self._put(container_id, self.containers[container_id].task_id, ContainerState.RUNNING)

    async def stop(self, container_id: str, *, signal: int = 15, grace: float = 30) -> None:
        self.stopped.append((container_id, signal, grace))
        if container_id not in self.containers:
            raise NotFound(container_id)
        self.end(container_id, 128 + signal)

    async def remove(self, container_id: str) -> None:
        self.containers.pop(container_id, None)

    async def exec(self, container_id: str, spec: ExecSpec) -> int:
        return 2

    async def exec_wait(self, container_id: str, exec_id: str, within: float) -> int | None:
        return self.exec_code

    async def exec_kill(self, container_id: str, exec_id: str, signal: int = 9) -> None:
        return

    async def list(self) -> list[ContainerStatus]:
        return list(self.containers.values())

    async def state(self, container_id: str) -> ContainerStatus:
        if container_id not in self.containers:
            raise NotFound(container_id)
        return self.containers[container_id]

    async def usage(self, task_id: str) -> TaskUsage:
        return TaskUsage(1, 1, 0)

    async def watch_again(self, container_id: str) -> None:
        if self.containers[container_id].state is ContainerState.STOPPED:
            for queue in self._exits:
                queue.put_nowait(self._exit(self.containers[container_id]))

    async def watch_exits(self) -> AsyncIterator[ContainerExit]:
        queue: asyncio.Queue[ContainerExit] = asyncio.Queue()
        self._exits.append(queue)
        for status in list(self.containers.values()):
            if status.state is ContainerState.STOPPED:
                queue.put_nowait(self._exit(status))
        while True:
            yield await queue.get()

    def end(self, container_id: str, code: int, *, oom: bool = False) -> None:
        status = self.containers[container_id]
        if status.state is ContainerState.STOPPED:
            return
        self._put(container_id, status.task_id, ContainerState.STOPPED, code)
        for queue in self._exits:
            queue.put_nowait(self._exit(self.containers[container_id], oom=oom))

    def rewind(self, identity: str) -> None:
        """The container was made, and never started."""
        self._put(identity, self.containers[identity].task_id, ContainerState.CREATED)

    def running(self) -> list[str]:
        return [each.id for each in self.containers.values() if each.state is ContainerState.RUNNING]

    def _put(self, identity: str, task_id: str, state: ContainerState, code: int | None = None) -> None:
        at = datetime.now(UTC) if code is not None else None
        self.containers[identity] = ContainerStatus(identity, task_id, state, 1, {}, code, at)

    @staticmethod
    def _exit(status: ContainerStatus, *, oom: bool = False) -> ContainerExit:
        assert status.exit_code is not None
        assert status.exited_at is not None
        return ContainerExit(status.id, status.task_id, status.exit_code, status.exited_at, oom_killed=oom)


class FakeNetworks:
    """Namespaces by name alone."""

    def __init__(self) -> None:
        self.made: dict[str, NetworkPlan | None] = {}
        self.opened: set[str] = set()

    async def open(self, task_id: str) -> None:
        self.opened.add(task_id)

    async def make(self, task_id: str, link_address: str, plan: NetworkPlan | None) -> None:
        assert task_id in self.opened
        self.made[task_id] = plan

    async def free(self, task_id: str, link_address: str) -> None:
        self.made.pop(task_id, None)
        self.opened.discard(task_id)

    async def exists(self, task_id: str) -> bool:
        return task_id in self.made

    async def strays(self, known: frozenset[str]) -> None:
        return

    def path(self, task_id: str) -> Path:
        return Path("/nowhere") / task_id


class FakeOutput:
    """Output that nobody reads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.closed: list[str] = []

    async def open(self, task: Task, launch: Launch, runtime_id: str) -> Output:
        return Output(self._directory / "out", self._directory / "err")

    def resume(self, task: Task, launch: Launch, runtime_id: str) -> None:
        return

    async def close(self, runtime_id: str) -> None:
        self.closed.append(runtime_id)


@dataclass
class PlayedAgent:
    """The agent's links and engine over played containers; `start` and `kill` as often as a test likes."""

    host_id: str
    directory: Path
    api: ApiClient
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    networks: FakeNetworks = field(default_factory=FakeNetworks)
    image_cleanup_interval: float = 1800.0
    engine: Engine = field(init=False)
    registration: Registration = field(init=False)
    identity: IdentityFile = field(init=False)
    credentials: CredentialStore = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        settings = EcsSettings(
            data_dir=self.directory / "agent",
            run_dir=self.directory / "run",
            cluster="fargate",
            region="us-east-1",
            cpu_units=4096,
            memory_mib=8192,
            task_endpoint="http://169.254.170.3:4566",
            host_id=self.host_id,
            image_cleanup_interval=self.image_cleanup_interval,
        )
        self.credentials = CredentialStore()
        self.identity = IdentityFile(settings.data_dir / "instance.json")
        self.registration = Registration(self.api, settings, self.identity)
        tools = Tools(
            settings=settings,
            clock=CLOCK,
            api=self.api,
            runtime=self.runtime,
            networks=self.networks,
            registry=RegistryAuthenticator(self.api, self.credentials, CLOCK),
            output=FakeOutput(self.directory),
            credentials=self.credentials,
            records=RecordStore(settings.records),
            fargate_runtime=lambda: self.registration.fargate_runtime,
        )
        self.engine = Engine(tools)
        acs = AcsLink(self.api, self.registration, self.identity, self.engine, timers=AgentTimers(silence=5.0))
        tcs = TcsLink(self.api, self.registration, self.engine, Sampler(self.runtime, CLOCK), interval=0.1)

        async def links() -> None:
            await self.registration.register()
            await asyncio.gather(acs.run(), tcs.run())

        self._tasks = [asyncio.create_task(self.engine.run()), asyncio.create_task(links())]

    async def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def failure(self) -> BaseException | None:
        return next((each.exception() for each in self._tasks if each.done()), None)


async def play_host(stream: HostStream) -> None:
    """Says of every resource what a host would."""
    revision: int | None = None
    while True:
        with contextlib.suppress(OSError):
            async for frame in stream.frames(revision):
                resources: Iterable[HostResource] = ()
                if isinstance(frame, ListFrame):
                    resources = frame.resources
                elif isinstance(frame, ChangeFrame):
                    resources = (frame.resource,)
                if statuses := [_observed(each) for each in resources]:
                    await stream.report(statuses)
                revision = frame.revision
        await asyncio.sleep(0.05)


def _observed(resource: HostResource) -> HostResourceStatus:
    ready = (HostCondition(type="Ready", status="True"),)
    return HostResourceStatus(
        kind=resource.kind,
        id=resource.id,
        observed_generation=resource.generation,
        conditions=() if resource.deletion_requested else ready,
        finalized=resource.deletion_requested,
    )
