"""How containers end: by a signal, by SIGKILL, with their shim; and how everything of them is taken away."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog

from roadstead.agent.runtime import labels
from roadstead.agent.runtime.cleanup import remove_bundle
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.containers import Containers
from roadstead.agent.runtime.errors import ContainerdError, ContainerdUnavailable, NotFound
from roadstead.agent.runtime.model import ContainerState, Isolation
from roadstead.agent.runtime.shims import kill_kernel, kill_shim
from roadstead.agent.runtime.snapshots import Snapshots
from roadstead.engines.subprocesses import run

log = structlog.get_logger(__name__)

KILL_SECONDS = 30.0
_RETRY = 0.05
_SIGKILL = 9
_MUTE_AT_DELETION = "the shim of a container that is deleted does not answer: it was killed"


class Endings:
    """Stops and deletes the containers of one containerd, also those whose shim hangs."""

    def __init__(self, containers: Containers, snapshots: Snapshots, settings: RuntimeSettings) -> None:
        self._containers = containers
        self._snapshots = snapshots
        self._settings = settings

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
            taken = await self._containers.kill(container_id, signal, everything=everything)
        except ContainerdUnavailable as error:
            await self._containers.blame_shim(container_id, error)
            return False
        if not taken and signal != _SIGKILL:
            return False
        return await self._containers.wait(container_id, within) is not None

    async def _ends_with_its_shim(self, container_id: str) -> bool:
        """Kill the container's shim and the kernel that it runs on; whether that ended the container.

        containerd takes away what a dead shim leaves. For a shim that does nothing, or does not answer: gVisor's is left so by a containerd
        that was killed in the middle of a start, and by a sandbox that hangs, as then do all containers of the task.
        """
        marks = await self._containers.labels(container_id)
        if marks.get(labels.ISOLATION) == Isolation.GVISOR.value:
            await asyncio.to_thread(kill_kernel, marks[labels.MEMORY_GROUP], self._settings.gvisor_state)
        return await self._goes_with_its_shim(container_id, "a container outlived SIGKILL: its shim was killed")

    async def _goes_with_its_shim(self, container_id: str, why: str) -> bool:
        """Kill the container's shim; whether containerd took away what that left."""
        if not await self._kill_shim(container_id):
            return False
        log.warning(why, container=container_id)
        deadline = time.monotonic() + KILL_SECONDS
        while await self._containers.state_of(container_id) not in (None, ContainerState.STOPPED):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_RETRY)
        return True

    async def _kill_shim(self, container_id: str) -> bool:
        """Kill the shim that a container has for itself; False where it has none."""
        return await asyncio.to_thread(kill_shim, container_id, self._settings.socket, self._settings.namespace)

    async def delete(self, container_id: str) -> None:
        """Remove process, record and writable layer, whatever of them exists.

        containerd answers for the process when its shim has passed on all output.
        """
        await self.delete_record(container_id)
        with suppress(NotFound):
            await self._snapshots.remove(container_id)
        with suppress(NotFound):
            await self._containers.drop_end(container_id)

    async def delete_record(self, container_id: str) -> None:
        """Remove process and record, whatever of them exists; a shim of which containerd does not know is killed.

        Such a shim was started for somebody who went away before containerd had reached it. It waits for containerd to read its log, which
        nobody ever will, and the next shim of that container would pass its address on: whoever calls there is never answered.
        """
        try:
            await self._delete_process(container_id)
        except NotFound:
            if await self._kill_shim(container_id):
                log.info("a shim that containerd lost was killed", container=container_id)
        with suppress(NotFound):
            await self._containers.delete_record(container_id)

    async def _delete_process(self, container_id: str) -> None:
        if await self._containers.is_mute(container_id):
            # As gVisor's is left by a containerd that was killed while it made a container: it would never answer this either.
            await self._goes_with_its_shim(container_id, _MUTE_AT_DELETION)
        if await self._containers.is_runc(container_id):
            with suppress(ContainerdError):
                # For a process that was made and never run: runc's shim waits ten seconds for the end of its output otherwise.
                # gVisor's has no such wait, and there this signal is never answered.
                await self._containers.kill(container_id, _SIGKILL)
        deadline = time.monotonic() + KILL_SECONDS
        while True:
            try:
                await self._containers.delete_task(container_id)
            except NotFound:
                raise
            except ContainerdUnavailable as error:
                await self._containers.blame_shim(container_id, error)
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

    async def discard_gvisor_state(self, container_id: str) -> None:
        """Have gVisor forget what it knows of a container whose creation was killed; a failure shows in the next attempt."""
        program = str(self._settings.engines.runsc)
        done = await run([program, "--root", str(self._settings.gvisor_state), "delete", "--force", container_id])
        if done.status:
            log.warning("gVisor keeps a container's state", container=container_id, reason=done.stderr)

    async def discard_bundle(self, container_id: str) -> None:
        """Take away the directory of a container that containerd does not know, and its shim; a failure shows in the next attempt."""
        await self._kill_shim(container_id)
        try:
            await asyncio.to_thread(remove_bundle, self._settings.bundles / container_id)
        except OSError as error:
            log.warning("what is left of a container stays", container=container_id, reason=str(error))
