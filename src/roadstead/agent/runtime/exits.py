"""The ends of containers, told at least once each.

One waiting call per container tells at once, and again after containerd was away. containerd's event stream would not do: gVisor's shim
can't publish while containerd is away, and what was published then is gone. An end stays readable in containerd until the
container is removed, so the next agent is told of it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import structlog

from roadstead.agent.runtime import labels
from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.agent.runtime.containers import Containers
from roadstead.agent.runtime.errors import NotFound, RuntimeFault
from roadstead.agent.runtime.model import LOST_EXIT_CODE, ContainerExit, Isolation

_RESYNC = 30.0
"""Seconds between looks at everything: what bounds the harm of anything unforeseen."""
_RETRY = 0.2
_WAIT = 3600.0
_SANDBOX_VANISHED = 128
"""What gVisor's shim answers when it can't ask the sandbox any more."""
_KILLED = 128 + 9

log = structlog.get_logger(__name__)


class ExitWatcher:
    """Waits for every container of ours; tells each end once in its life."""

    def __init__(self, containers: Containers, cgroups: Cgroups, being_made: Callable[[str], bool]) -> None:
        self._containers = containers
        self._being_made = being_made
        self._cgroups = cgroups
        self._waits: dict[str, asyncio.Task[None]] = {}
        self._told: set[str] = set()
        self._ends: asyncio.Queue[ContainerExit] = asyncio.Queue()

    def expect(self, container_id: str) -> None:
        """Wait for the end of a container that has a process. No effect where it is waited for, or was told."""
        if container_id not in self._waits and container_id not in self._told:
            self._waits[container_id] = asyncio.create_task(self._wait(container_id), name=f"end of {container_id}")

    async def forget(self, container_id: str) -> None:
        """The container is removed, or a new one takes its name: its next end is news."""
        self._told.discard(container_id)
        if (wait := self._waits.pop(container_id, None)) is not None:
            wait.cancel()
            await asyncio.wait([wait])

    async def ends(self) -> AsyncIterator[ContainerExit]:
        """Each end, as it comes."""
        while True:
            yield await self._ends.get()

    async def run(self) -> None:
        """Look at all containers now and then, until cancelled. Then nothing is waited for any more."""
        try:
            while True:
                pause = _RESYNC
                try:
                    for status, marks in await self._containers.statuses():
                        if marks.get(labels.ROLE) == labels.APPLICATION and not self._being_made(status.id):
                            self.expect(status.id)
                except RuntimeFault as error:
                    log.info("looking at all containers failed", reason=str(error))
                    pause = _RETRY
                await asyncio.sleep(pause)
        finally:
            for container_id in list(self._waits):
                await self.forget(container_id)

    async def _wait(self, container_id: str) -> None:
        while True:
            try:
                end = await self._containers.wait(container_id, _WAIT)
                if end is not None:
                    await self._tell(container_id, end.exit_code, end.exited_at, lost=False)
                    return
            except NotFound:
                # No process, and nobody who knows how it ended: the machine restarted, or the shim was killed.
                await self._tell(container_id, LOST_EXIT_CODE, datetime.now(UTC), lost=True)
                return
            except RuntimeFault as error:
                log.info("waiting for a container failed; waiting again", container=container_id, reason=str(error))
                await asyncio.sleep(_RETRY)

    async def _tell(self, container_id: str, code: int, ended: datetime, *, lost: bool) -> None:
        marks = await self._labels(container_id)
        self._waits.pop(container_id, None)
        if marks is None:
            return
        self._told.add(container_id)
        task_id = marks.get(labels.TASK, "")
        group = marks.get(labels.MEMORY_GROUP) or container_id
        oom_killed = self._cgroups.oom_kills(task_id, group) > 0
        if oom_killed and code == _SANDBOX_VANISHED and marks.get(labels.ISOLATION) == Isolation.GVISOR.value:
            code = _KILLED
        self._ends.put_nowait(ContainerExit(container_id, task_id, code, ended, oom_killed=oom_killed, lost=lost))

    async def _labels(self, container_id: str) -> dict[str, str] | None:
        """A container's labels; None where it was removed."""
        while True:
            try:
                return await self._containers.labels(container_id)
            except NotFound:
                return None
            except RuntimeFault as error:
                log.info("reading a container's record failed; trying again", container=container_id, reason=str(error))
                await asyncio.sleep(_RETRY)
