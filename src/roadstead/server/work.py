"""What a server does besides answering: controllers under leases, and the writing of what was gathered in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

import structlog

from roadstead.controllers.controller import Shard
from roadstead.controllers.housekeeping import Chore, housekeeping_controller
from roadstead.controllers.links import links_controller
from roadstead.controllers.runner import Runner
from roadstead.controllers.tasks import tasks_controller
from roadstead.kernel.clock import Clock
from roadstead.services.ecr.api import RegistryStorage, expire_uploads
from roadstead.services.logs.api import expire_events
from roadstead.store import Store, StoreError
from roadstead.store.leases import LeaseHolder

_FLUSH_SECONDS = 2.0
_log = structlog.get_logger("server")


class Recorder(Protocol):
    """Gathers in memory what no request should write: pull times, uses of identities."""

    async def run(self) -> None:
        """Write now and then, until cancelled."""
        ...

    async def flush(self) -> int:
        """Write what was gathered."""
        ...


@contextlib.asynccontextmanager
async def background_work(
    store: Store, storage: RegistryStorage, recorders: Sequence[Recorder], name: str, clock: Clock
) -> AsyncGenerator[None]:
    """Run the controllers and the recorders while the context lasts; `name` is the server's, for the controllers' leases."""

    async def old_uploads(_shard: Shard) -> int:
        return await expire_uploads(storage, clock.now())

    async def old_events(shard: Shard) -> int:
        return await shard.run(lambda tx: expire_events(tx, clock.now()))

    controllers = (
        tasks_controller(),
        links_controller(),
        housekeeping_controller(Chore("uploads", old_uploads), Chore("log events", old_events)),
    )
    writing = [asyncio.create_task(each.run(), name=type(each).__name__) for each in recorders]
    try:
        async with Runner(store, LeaseHolder(store, name), controllers):
            yield
    finally:
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        for each in recorders:
            await _flush(each)


async def _flush(recorder: Recorder) -> None:
    try:
        async with asyncio.timeout(_FLUSH_SECONDS):
            await recorder.flush()
    except (StoreError, TimeoutError) as error:
        _log.warning("what was gathered is lost", recorder=type(recorder).__name__, error=str(error))
