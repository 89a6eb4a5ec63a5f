"""gVisor's sandboxes: for each task a `pause` container that holds one open, and outlives the task's others.

Made and started apart: the kernel of a sandbox comes up while the task's network is on its way, and takes the addresses of the
network namespace when it is started.

A start that loses sight of containerd, or whose agent dies, gVisor's shim gives up half-way: the sandbox says that it runs, has taken the
addresses and uses none. So one whose start nobody saw end is made anew, in a namespace that has its addresses again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import structlog

from roadstead.agent.runtime import labels, processes
from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.containers import Containers, Record
from roadstead.agent.runtime.endings import Endings
from roadstead.agent.runtime.errors import (
    CannotCreateContainer,
    CannotStartContainer,
    ContainerdError,
    ContainerdUnavailable,
    RuntimeFault,
)
from roadstead.agent.runtime.launch import Launcher
from roadstead.agent.runtime.model import ContainerState, TaskSpec
from roadstead.agent.runtime.spec import Place, sandbox_spec

log = structlog.get_logger(__name__)

_SIGKILL = 9


def sandbox_id(task_id: str) -> str:
    """The id of the container that is a task's sandbox."""
    return f"{task_id}-sandbox"


def own_oom_score() -> int:
    """The OOM score of this process, below which no container's may go."""
    return int(Path("/proc/self/oom_score_adj").read_text())


class Sandboxes:
    """The sandboxes of one containerd."""

    def __init__(
        self,
        containers: Containers,
        launcher: Launcher,
        endings: Endings,
        cgroups: Cgroups,
        settings: RuntimeSettings,
    ) -> None:
        self._containers = containers
        self._launcher = launcher
        self._endings = endings
        self._cgroups = cgroups
        self._settings = settings
        self._unstarted: dict[str, asyncio.Lock] = {}
        self._doubtful: set[str] = set()
        """Tasks whose sandbox may have been started half-way."""

    async def prepare(self, task: TaskSpec, *, new: bool) -> Record | None:
        """Tell containerd of the task's sandbox, for `create`; None where it was made before, and `new` says that it can't be.

        Raises CannotCreateContainer.
        """
        name = sandbox_id(task.id)
        state = None if new else await self._containers.state_of(name)
        if state is ContainerState.RUNNING:
            self._doubtful.add(task.id)
        if state in (ContainerState.RUNNING, ContainerState.CREATED):
            self._unstarted.setdefault(task.id, asyncio.Lock())
            return None
        if not new:
            await self._endings.delete(name)
        return await self._store(name, task, new=new)

    async def create(self, task: TaskSpec, prepared: Record) -> None:
        """Make the task's sandbox. Its control group is there, its namespace may be empty yet. Raises CannotCreateContainer."""
        async with self._or_nothing(task.id):
            await self._launcher.create(prepared)
        self._unstarted.setdefault(task.id, asyncio.Lock())

    async def start(self, task_id: str) -> None:
        """Start the task's sandbox, unless it runs: its namespace is complete now. Raises CannotStartContainer."""
        lock = self._unstarted.get(task_id)
        if lock is None:
            return
        async with lock:
            if self._unstarted.get(task_id) is not lock:
                return
            name = sandbox_id(task_id)
            try:
                await self._containers.start(name)
            except ContainerdUnavailable:
                self._doubtful.add(task_id)
                raise
            except ContainerdError as error:
                # An earlier agent started it.
                if await self._containers.state_of(name) is not ContainerState.RUNNING:
                    raise CannotStartContainer(f"sandbox: {processes.explain(str(error))}") from error
            del self._unstarted[task_id]
            self._doubtful.discard(task_id)

    def is_doubtful(self, task_id: str) -> bool:
        """Whether nobody saw the start of the task's sandbox end, or something was asked of it in vain."""
        return task_id in self._doubtful

    def doubt(self, task_id: str) -> None:
        """Nothing came of what was asked of the sandbox: it may hang."""
        self._doubtful.add(task_id)
        self._unstarted.setdefault(task_id, asyncio.Lock())

    def trust(self, task_id: str) -> None:
        """The sandbox is as it should be: containers run in it."""
        self._doubtful.discard(task_id)

    async def renew(self, task: TaskSpec, prepare: Callable[[], Awaitable[None]]) -> None:
        """Make a doubtful sandbox anew; `prepare` completes its namespace before anybody starts it. Raises CannotCreateContainer."""
        lock = self._unstarted.get(task.id)
        if lock is None:
            return
        async with lock:
            if task.id not in self._doubtful:
                return
            name = sandbox_id(task.id)
            log.info("a sandbox is made anew: its start may have been given up half-way", sandbox=name)
            await self._end(name)
            await self.create(task, await self._store(name, task, new=False))
            await prepare()
            self._doubtful.discard(task.id)

    async def remove(self, task_id: str) -> None:
        """End the task's sandbox and remove it. Safe to repeat."""
        self._unstarted.pop(task_id, None)
        self._doubtful.discard(task_id)
        await self._end(sandbox_id(task_id))

    async def _end(self, name: str) -> None:
        if await self._containers.state_of(name) is ContainerState.CREATED:
            # gVisor's shim never deletes what was made and not started.
            try:
                await self._containers.start(name)
            except ContainerdError as error:
                log.info("a sandbox could not be started to end it", sandbox=name, reason=str(error))
        await self._endings.stop(name, _SIGKILL, 0)
        await self._endings.delete(name)

    async def _store(self, name: str, task: TaskSpec, *, new: bool) -> Record:
        if not new:
            await asyncio.to_thread(self._cgroups.remove_container, task.id, name)
        place = Place(
            cgroup=self._cgroups.path(task.id, name),
            sandbox=name,
            rootfs=str(self._settings.pause_rootfs),
            oom_score=own_oom_score(),
        )
        marks = labels.ours(self._settings.tag, task.id, task.isolation.value, labels.SANDBOX, name)
        record = Record(name, "", task.isolation, sandbox_spec(name, task, place), marks)
        async with self._or_nothing(task.id):
            await self._launcher.store(record)
        return record

    @contextlib.asynccontextmanager
    async def _or_nothing(self, task_id: str) -> AsyncGenerator[None]:
        """Nothing is left of a sandbox that can't be made."""
        try:
            yield
        except (CannotCreateContainer, CannotStartContainer) as error:
            await asyncio.shield(self._give_up(task_id))
            raise CannotCreateContainer(f"sandbox: {error}") from error

    async def _give_up(self, task_id: str) -> None:
        try:
            await self.remove(task_id)
        except RuntimeFault as error:
            log.info("a sandbox that was not made is left over", task_id=task_id, reason=str(error))
