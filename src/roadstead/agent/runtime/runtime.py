"""The container runtime as the task engine sees it: images, tasks, containers and their ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

import structlog

from roadstead.agent.runtime import labels, processes
from roadstead.agent.runtime.accounts import UnknownUser, read_accounts
from roadstead.agent.runtime.cgroups import Cgroups, TaskUsage
from roadstead.agent.runtime.client import Client
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.containers import Containers
from roadstead.agent.runtime.endings import Endings
from roadstead.agent.runtime.errors import (
    AlreadyExists,
    CannotStartContainer,
    ContainerdError,
    ContainerdUnavailable,
    FailedPrecondition,
    NotFound,
    RuntimeFault,
)
from roadstead.agent.runtime.exits import ExitWatcher
from roadstead.agent.runtime.images import Images, OnProgress
from roadstead.agent.runtime.launch import Launcher
from roadstead.agent.runtime.making import Maker
from roadstead.agent.runtime.model import (
    ContainerExit,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ExecSpec,
    Image,
    Isolation,
    TaskSpec,
)
from roadstead.agent.runtime.sandboxes import Sandboxes
from roadstead.agent.runtime.shims import kill_lost, running_shims
from roadstead.agent.runtime.snapshots import Snapshots

log = structlog.get_logger(__name__)

T = TypeVar("T")

_STARTED_BEFORE = (
    "cannot start a running process",
    "cannot start a stopped process",
    "cannot start an already running container",
    "cannot start a container that has stopped",
)
"""How runc's shim, and runc itself, refuse to start what runs, or ran."""
_SIGTERM = 15
_SIGKILL = 9


class Runtime:
    """One containerd, and what it runs for one agent. Closing it stops nothing."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self.settings = settings
        self.cgroups = Cgroups(settings.tag, settings.cgroup_root)
        self._client = Client(settings.socket, settings.namespace)
        self._containers = Containers(self._client, settings)
        self._snapshots = Snapshots(self._client, settings)
        self._endings = Endings(self._containers, self._snapshots, settings)
        self._launcher = Launcher(self._containers, self._snapshots, self._endings)
        self._maker = Maker(self._launcher, self.cgroups, settings)
        self._images = Images(self._client, settings)
        self._sandboxes = Sandboxes(self._containers, self._launcher, self._endings, self.cgroups, settings)
        self._making: set[str] = set()
        self._exits = ExitWatcher(self._containers, self.cgroups, self._making.__contains__)
        self._watching: asyncio.Task[None] | None = None
        self._tasks: dict[str, TaskSpec] = {}
        self._found: frozenset[str] = frozenset()
        self._task_of: dict[str, str] = {}
        self._unlimited: dict[str, TaskSpec] = {}
        """Tasks without a limit on processor time yet: none of their containers ever started."""
        self._unmade: dict[str, ContainerSpec] = {}
        self._half_made: set[str] = set()
        self._maybe_started: set[str] = set()
        """Containers whose start was asked for and never answered."""

    async def connect(self, within: float = 60) -> None:
        """Wait up to `within` seconds until containerd answers, clear what a crash left half made, watch for ends.

        Raises ContainerdUnavailable.
        """
        await self._client.ready(within)
        await self._sweep()
        self._found = frozenset(await self.task_ids())
        self._watching = asyncio.create_task(self._exits.run(), name="container ends")

    async def ready(self, within: float = 30) -> None:
        """Wait up to `within` seconds until containerd answers. Raises ContainerdUnavailable."""
        await self._client.ready(within)

    async def close(self) -> None:
        """End the watch and the connection."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None
        self._images.close()
        await self._client.close()

    async def __aenter__(self) -> Runtime:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ensure_image(
        self, reference: str, authorization: str | None, progress: OnProgress | None = None
    ) -> Image:
        """Have an image here, and leave to use it from the registry. See `Images.ensure`."""
        return await self._images.ensure(reference, authorization, progress)

    async def remove_unused_images(self, keep: Container[str], unused_for: float) -> list[str]:
        """Forget images that nobody has used for so many seconds. See `Images.remove_unused`."""
        return await self._images.remove_unused(keep, unused_for)

    async def create_task(self, task: TaskSpec) -> None:
        """Make the task's control group, and with gVisor its sandbox, not started yet. Safe to repeat.

        The network namespace exists already; what is in it counts when the first container is started. While the group is made, containerd
        is told of the sandbox.
        A new group's limit on processor time comes with the first start of a container: until then only engines work in it, and held
        to a quarter of a processor gVisor takes three times as long to come up.
        An agent that started anew calls it for each task that lives, before anything else about the task.
        Raises CgroupError, CannotCreateContainer.
        """
        new = task.id not in self._tasks and task.id not in self._found
        self._tasks[task.id] = task
        grouping = asyncio.to_thread(self._make_group, task)
        if task.isolation is not Isolation.GVISOR:
            await grouping
            return
        prepared = await _both(grouping, self._sandboxes.prepare(task, new=new))
        if prepared is not None:
            await self._sandboxes.create(task, prepared)

    async def remove_task(self, task_id: str) -> None:
        """Remove the task's containers, sandbox and control group, whatever of them is left. Safe to repeat."""
        records = await self._containers.records()
        mine = [(name, marks) for name, marks in records.items() if marks.get(labels.TASK) == task_id]
        for name, marks in mine:
            if marks.get(labels.ROLE) == labels.APPLICATION:
                await self.remove(name)
        if any(marks.get(labels.ROLE) == labels.SANDBOX for _, marks in mine):
            await self._sandboxes.remove(task_id)
        self._tasks.pop(task_id, None)
        self._unlimited.pop(task_id, None)
        for name in [name for name, spec in self._unmade.items() if spec.task_id == task_id]:
            self._forget_unmade(name)
        await self._kill_lost_shims()
        await asyncio.to_thread(self.cgroups.remove_task, task_id)

    async def task_ids(self) -> set[str]:
        """Every task of which something is left here."""
        return {marks[labels.TASK] for marks in (await self._containers.records()).values() if labels.TASK in marks}

    async def create(self, spec: ContainerSpec) -> None:
        """Make a container, up to its first instruction. `create_task` comes first.

        With gVisor it is only noted here and made by `start`: gVisor's shim never deletes a container that was made and not
        started, because it waits for the end of output pipes whose writing ends it holds itself.
        Raises CannotCreateContainer for what the specification says, CannotStartContainer for what the engine refuses (a
        command that does not exist), FailedPrecondition for an unknown task.
        """
        task = self._tasks.get(spec.task_id)
        if task is None:
            raise FailedPrecondition(f"task {spec.task_id} was not created")
        self._task_of[spec.id] = task.id
        if task.isolation is Isolation.GVISOR:
            self._unmade[spec.id] = spec
        else:
            await self._make(spec, task)

    async def renew_sandbox(self, task_id: str, prepare: Callable[[], Awaitable[None]]) -> None:
        """Before a container is started: make the task's sandbox anew if its own start may have been given up half-way, or if it hangs.

        `prepare` completes the network namespace again, whose addresses the old sandbox may have taken. Raises CannotCreateContainer.
        """
        task = self._tasks.get(task_id)
        if task is None or not self._sandboxes.is_doubtful(task_id):
            return
        if any(each.task_id == task_id and each.id not in self._unmade for each in await self.list()):
            self._sandboxes.trust(task_id)
        else:
            await self._sandboxes.renew(task, prepare)

    async def start(self, container_id: str) -> None:
        """Run the container's program. The task's network namespace is complete. Safe to repeat where it raised ContainerdUnavailable.

        Raises CannotStartContainer, with gVisor all that `create` does.
        """
        try:
            if (spec := self._unmade.get(container_id)) is not None:
                await self._make_late(spec)
            else:
                await self._sandboxes.start(self._task_of.get(container_id, ""))
            await self._containers.start(container_id)
        except ContainerdUnavailable:
            if container_id in self._unmade:
                self._sandboxes.doubt(self._unmade[container_id].task_id)
            else:
                self._maybe_started.add(container_id)
            raise
        except ContainerdError as error:
            if not self._was_started(container_id, error):
                raise CannotStartContainer(processes.explain(str(error))) from error
            log.info("a container was started before", container=container_id, reason=str(error))
        self._forget_unmade(container_id)
        if (task := self._unlimited.pop(self._task_of.get(container_id, ""), None)) is not None:
            await asyncio.to_thread(self.cgroups.limit_cpu, task.id, task.cpu_units)

    def _was_started(self, container_id: str, error: ContainerdError) -> bool:
        """Whether a start is refused because an earlier one came into effect, whose answer this agent did not get, or one before it."""
        lost = container_id in self._maybe_started or container_id not in self._task_of
        return lost and any(words in str(error) for words in _STARTED_BEFORE)

    async def _make_late(self, spec: ContainerSpec) -> None:
        """Make a container that was only noted, unless an attempt that lost sight of containerd made it after all.

        One that such an attempt began to start is made anew: gVisor's shim gives a start up half-way when containerd dies, and leaves a
        container that is stopped, or says that it runs and does not.
        """
        if spec.id in self._half_made:
            if await self._containers.state_of(spec.id) is ContainerState.CREATED:
                await self._sandboxes.start(spec.task_id)
                self._exits.expect(spec.id)
                return
            self._making.add(spec.id)  # the end of what is thrown away is nobody's news
            try:
                await self._exits.forget(spec.id)
                await self._endings.delete(spec.id)
            finally:
                self._making.discard(spec.id)
        self._half_made.add(spec.id)
        await self._make(spec, self._tasks[spec.task_id])

    async def _make(self, spec: ContainerSpec, task: TaskSpec) -> None:
        self._making.add(spec.id)
        await self._exits.forget(spec.id)
        try:
            # The sandbox's start takes gVisor 50 ms, in which containerd can be told of the container.
            record = await _both(self._sandboxes.start(task.id), self._maker.prepare(spec, task))
            await self._launcher.create(record)
            self._exits.expect(spec.id)
        except BaseException:
            await asyncio.shield(self._give_up(spec.id))
            raise
        finally:
            self._making.discard(spec.id)

    async def stop(self, container_id: str, *, signal: int = _SIGTERM, grace: float = 30) -> None:
        """Send `signal`, wait up to `grace` seconds, then SIGKILL. Returns when it has ended; no error if it had."""
        await self._endings.stop(container_id, signal, grace)

    async def kill(self, container_id: str, signal: int) -> None:
        """Send a signal to the first process; nothing if it ended."""
        await self._containers.kill(container_id, signal)

    async def remove(self, container_id: str) -> None:
        """Remove a container, killing it if it runs. Its output is complete in the files when this returns. Safe to repeat."""
        self._forget_unmade(container_id)
        await self._exits.forget(container_id)
        await self._endings.delete(container_id)
        self._task_of.pop(container_id, None)

    async def exec(self, container_id: str, spec: ExecSpec) -> int:
        """Run one more process in a container; its pid. Raises CannotStartContainer, NotFound."""
        identity = None
        if spec.user is not None:
            accounts = await asyncio.to_thread(read_accounts, await self._snapshots.layers(container_id))
            try:
                identity = accounts.resolve(spec.user)
            except UnknownUser as error:
                raise CannotStartContainer(str(error)) from error
        return await processes.run(self._client, self._containers, container_id, spec, identity)

    async def exec_wait(self, container_id: str, exec_id: str, within: float) -> int | None:
        """The exit code of such a process, which is gone then; None if it still runs after `within` seconds."""
        return await processes.finish(self._client, self._containers, container_id, exec_id, within)

    async def exec_kill(self, container_id: str, exec_id: str, signal: int = _SIGKILL) -> None:
        """Send such a process a signal."""
        await self._containers.kill(container_id, signal, exec_id=exec_id)

    async def exec_resize(self, container_id: str, exec_id: str, width: int, height: int) -> None:
        """Tell such a process the size of its terminal, in characters."""
        await processes.resize(self._client, container_id, exec_id, width, height)

    async def list(self) -> list[ContainerStatus]:
        """Every container, sandboxes left out. One that is stopped without an exit code was lost."""
        statuses = await self._containers.statuses()
        made = [status for status, marks in statuses if marks.get(labels.ROLE) == labels.APPLICATION]
        known = {status.id for status in made}
        unmade = [
            ContainerStatus(spec.id, spec.task_id, ContainerState.CREATED, 0, dict(spec.labels))
            for spec in self._unmade.values()
            if spec.id not in known
        ]
        return made + unmade

    async def state(self, container_id: str) -> ContainerStatus:
        """One container; raises NotFound."""
        for status in await self.list():
            if status.id == container_id:
                return status
        raise NotFound(f"container {container_id}: not found")

    def watch_exits(self) -> AsyncIterator[ContainerExit]:
        """Ends as they happen, and first those that happened before. One reader at a time."""
        return self._exits.ends()

    async def watch_again(self, container_id: str) -> None:
        """Wait for a container's end anew, which is told once more if it came already. Not for one that was removed."""
        await self._exits.forget(container_id)
        self._exits.expect(container_id)

    async def usage(self, task_id: str) -> TaskUsage:
        """What a task's containers use together."""
        return await asyncio.to_thread(self.cgroups.usage, task_id)

    def _make_group(self, task: TaskSpec) -> None:
        if not self.cgroups.exists(task.id):
            self._unlimited[task.id] = task
        cpu_units = None if task.id in self._unlimited else task.cpu_units
        self.cgroups.create_task(task.id, cpu_units=cpu_units, memory_mib=task.memory_mib, pids=task.pids)

    async def _give_up(self, name: str) -> None:
        """Remove a half-made container. What can't be removed now goes with `remove` or `remove_task`."""
        try:
            await self._endings.delete(name)
        except RuntimeFault as error:
            log.info("a container that was not made is left over", container=name, reason=str(error))

    def _forget_unmade(self, name: str) -> None:
        self._unmade.pop(name, None)
        self._half_made.discard(name)
        self._maybe_started.discard(name)

    async def _kill_lost_shims(self) -> None:
        running = await asyncio.to_thread(running_shims, self.settings.socket, self.settings.namespace)
        if lost := kill_lost(running, await self._containers.records()):
            log.info("shims that containerd lost were killed", containers=lost)

    async def _sweep(self) -> None:
        """Remove writable layers and shims without a container: agent or containerd were killed between making the two."""
        await self._kill_lost_shims()
        records = await self._containers.records()
        for key in await self._snapshots.keys():
            if key not in records:
                with suppress(NotFound, AlreadyExists):
                    await self._snapshots.remove(key)


async def _both(first: Awaitable[object], second: Awaitable[T]) -> T:
    """What the second gives. Neither is broken off when the other one fails; an error is raised once both have ended, the first's first."""
    outcome, result = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(outcome, BaseException):
        raise outcome
    if isinstance(result, BaseException):
        raise result
    return result
