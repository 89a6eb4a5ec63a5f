"""Making containers where something of an earlier attempt may be in the way: what an agent or an engine asked for that was killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from roadstead.agent.runtime import processes
from roadstead.agent.runtime.api import types_pb2
from roadstead.agent.runtime.config import SHIM_LOAD_SECONDS
from roadstead.agent.runtime.containers import Containers, Record
from roadstead.agent.runtime.endings import Endings
from roadstead.agent.runtime.errors import (
    AlreadyExists,
    CannotCreateContainer,
    CannotStartContainer,
    ContainerdError,
)
from roadstead.agent.runtime.snapshots import Snapshots

log = structlog.get_logger(__name__)

T = TypeVar("T")

CONTAINERDS_SECONDS = 2.0 * SHIM_LOAD_SECONDS + 2
"""How long a bundle is left to containerd, which waits twice before it gives up a shim that does not answer."""
LEFTOVER_SECONDS = CONTAINERDS_SECONDS + 8
"""How long what is left of an earlier attempt is waited for."""
_RETRY = 0.1
_GVISOR_STATE = "cannot lock container metadata file: container already exists"
_STATE_IN_THE_WAY = ("container with given ID already exists", _GVISOR_STATE)
"""What runc and gVisor say of an earlier attempt's state: the first takes it away in the next attempt that fails, the second never does."""


class Launcher:
    """Makes the containers of one containerd."""

    def __init__(self, containers: Containers, snapshots: Snapshots, endings: Endings) -> None:
        self._containers = containers
        self._snapshots = snapshots
        self._endings = endings

    async def prepare_rootfs(self, container_id: str, chain_id: str) -> list[types_pb2.Mount]:
        """A writable layer on an image's; the mounts that make it a root file system. Raises ContainerdError."""
        return await _anew(
            lambda: self._snapshots.prepare(container_id, chain_id), lambda: self._endings.delete(container_id)
        )

    async def store(self, record: Record) -> None:
        """Tell containerd of a container, before an engine hears of it. Raises CannotCreateContainer."""
        try:
            await _anew(lambda: self._containers.record(record), lambda: self._endings.delete_record(record.id))
            await self._containers.keep_end(record)
        except ContainerdError as error:
            raise CannotCreateContainer(str(error)) from error

    async def create(self, record: Record) -> None:
        """Have the shim of a container that was stored make it. Raises CannotStartContainer.

        One that an earlier agent asked for may still be taken away: containerd gives up what nobody waits for any more, and until
        then its bundle is in the way. One that an engine held on to meanwhile containerd forgets: it is taken away here.
        """
        try:
            await self._create(record)
        except ContainerdError as error:
            raise CannotStartContainer(processes.explain(str(error))) from error

    async def _create(self, record: Record) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            try:
                await self._containers.create_task(record)
            except ContainerdError as error:
                text = str(error)
                bundle = text.startswith("mkdir ") and text.endswith(": file exists")
                if not (bundle or text.endswith(_STATE_IN_THE_WAY)) or clock() > began + LEFTOVER_SECONDS:
                    raise
                log.info("an earlier attempt is still in the way", container=record.id, reason=text)
                if text.endswith(_GVISOR_STATE):
                    await self._endings.discard_gvisor_state(record.id)
                elif bundle and clock() > began + CONTAINERDS_SECONDS:
                    await self._endings.discard_bundle(record.id)
                await asyncio.sleep(_RETRY)
            else:
                return


async def _anew(make: Callable[[], Awaitable[T]], take_away: Callable[[], Awaitable[None]]) -> T:
    """Make what may be there already, because an agent that was killed asked for it and containerd did it only now: that is taken away first."""
    try:
        return await make()
    except AlreadyExists:
        await take_away()
        return await make()
