"""gVisor's sandboxes: for each task a `pause` container that holds one open, and outlives the task's others.

Made and started apart: the kernel of a sandbox comes up while the task's network is on its way, and takes the addresses of the
network namespace when it is started.

A start that loses sight of containerd, or whose agent dies, gVisor's shim gives up half-way: the sandbox says that it runs, has taken the
addresses and uses none. So one whose start nobody saw end is made anew, in a namespace that has its addresses again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from roadstead.agent.runtime import labels, processes
from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.agent.runtime.config import SHIM_LOAD_SECONDS, RuntimeSettings
from roadstead.agent.runtime.containers import Containers, Record
from roadstead.agent.runtime.errors import (
    CannotCreateContainer,
    CannotStartContainer,
    ContainerdError,
    ContainerdUnavailable,
    RuntimeFault,
)
from roadstead.agent.runtime.model import ContainerState, TaskSpec
from roadstead.agent.runtime.spec import Place, sandbox_spec

log = structlog.get_logger(__name__)

CONTAINERDS_SECONDS = 2.0 * SHIM_LOAD_SECONDS + 2
"""How long a bundle is left to containerd, which waits twice before it gives up a shim that does not answer."""
LEFTOVER_SECONDS = CONTAINERDS_SECONDS + 8
"""How long what is left of an earlier attempt is waited for."""
_RETRY = 0.1
_GVISOR_STATE = "cannot lock container metadata file: container already exists"
_STATE_IN_THE_WAY = ("container with given ID already exists", _GVISOR_STATE)
"""What runc and gVisor say of an earlier attempt's state: the first takes it away in the next attempt that fails, the second never does."""
_SIGKILL = 9


def sandbox_id(task_id: str) -> str:
    """The id of the container that is a task's sandbox."""
    return f"{task_id}-sandbox"


def own_oom_score() -> int:
    """The OOM score of this process, below which no container's may go."""
    return int(Path("/proc/self/oom_score_adj").read_text())


async def launch(containers: Containers, record: Record) -> None:
    """Store a container and have its shim make it. Raises CannotCreateContainer, CannotStartContainer.

    A container that an earlier agent asked for may still be taken away: containerd gives up what nobody waits for any more, and until then
    its bundle is in the way. One that an engine held on to meanwhile containerd forgets: it is taken away here.
    """
    try:
        await containers.record(record)
    except ContainerdError as error:
        raise CannotCreateContainer(str(error)) from error
    try:
        await containers.keep_end(record)
        await _create(containers, record)
    except ContainerdError as error:
        raise CannotStartContainer(processes.explain(str(error))) from error


async def _create(containers: Containers, record: Record) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        try:
            await containers.create_task(record)
        except ContainerdError as error:
            text = str(error)
            bundle = text.startswith("mkdir ") and text.endswith(": file exists")
            if not (bundle or text.endswith(_STATE_IN_THE_WAY)) or clock() > began + LEFTOVER_SECONDS:
                raise
            log.info("an earlier attempt is still in the way", container=record.id, reason=text)
            if text.endswith(_GVISOR_STATE):
                await containers.discard_gvisor_state(record.id)
            elif bundle and clock() > began + CONTAINERDS_SECONDS:
                await containers.discard_bundle(record.id)
            await asyncio.sleep(_RETRY)
        else:
            return


class Sandboxes:
    """The sandboxes of one containerd."""

    def __init__(self, containers: Containers, cgroups: Cgroups, settings: RuntimeSettings) -> None:
        self._containers = containers
        self._cgroups = cgroups
        self._settings = settings
        self._unstarted: dict[str, asyncio.Lock] = {}
        self._doubtful: set[str] = set()
        """Tasks whose sandbox may have been started half-way."""

    async def create(self, task: TaskSpec, *, new: bool) -> None:
        """Make the task's sandbox unless it is there; `new` says that it can't be. Its namespace may be empty yet.

        Raises CannotCreateContainer.
        """
        name = sandbox_id(task.id)
        state = None if new else await self._containers.state_of(name)
        if state is ContainerState.RUNNING:
            self._doubtful.add(task.id)
            self._unstarted.setdefault(task.id, asyncio.Lock())
            return
        if state is not ContainerState.CREATED:
            if not new:
                await self._containers.delete(name)
            await self._make(name, task)
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
            await self._make(name, task)
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
        await self._containers.stop(name, _SIGKILL, 0)
        await self._containers.delete(name)

    async def _make(self, name: str, task: TaskSpec) -> None:
        place = Place(
            cgroup=self._cgroups.path(task.id, name),
            sandbox=name,
            rootfs=str(self._settings.pause_rootfs),
            oom_score=own_oom_score(),
        )
        marks = labels.ours(self._settings.tag, task.id, task.isolation.value, labels.SANDBOX, name)
        await asyncio.to_thread(self._cgroups.remove_container, task.id, name)
        try:
            await launch(self._containers, Record(name, "", task.isolation, sandbox_spec(name, task, place), marks))
        except (CannotCreateContainer, CannotStartContainer) as error:
            await asyncio.shield(self._give_up(task.id))
            raise CannotCreateContainer(f"sandbox: {error}") from error

    async def _give_up(self, task_id: str) -> None:
        try:
            await self.remove(task_id)
        except RuntimeFault as error:
            log.info("a sandbox that was not made is left over", task_id=task_id, reason=str(error))
