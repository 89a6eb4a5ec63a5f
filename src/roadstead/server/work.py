"""What a server does besides answering: controllers under leases, and the writing of pull times."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import structlog

from roadstead.controllers.controller import Shard
from roadstead.controllers.housekeeping import Chore, housekeeping_controller
from roadstead.controllers.links import links_controller
from roadstead.controllers.runner import Runner
from roadstead.controllers.tasks import tasks_controller
from roadstead.kernel.clock import Clock
from roadstead.services.ecr.api import PullRecorder, RegistryStorage, expire_uploads
from roadstead.services.logs.api import expire_events
from roadstead.store import Store, StoreError
from roadstead.store.leases import LeaseHolder

_FLUSH_SECONDS = 2.0
_log = structlog.get_logger("server")


@contextlib.asynccontextmanager
async def background_work(
    store: Store, storage: RegistryStorage, pulls: PullRecorder, name: str, clock: Clock
) -> AsyncGenerator[None]:
    """Run the controllers and the pull recorder while the context lasts; `name` is the server's, for the controllers' leases."""

    async def old_uploads(_shard: Shard) -> int:
        return await expire_uploads(storage, clock.now())

    async def old_events(shard: Shard) -> int:
        return await shard.run(lambda tx: expire_events(tx, clock.now()))

    controllers = (
        tasks_controller(),
        links_controller(),
        housekeeping_controller(Chore("uploads", old_uploads), Chore("log events", old_events)),
    )
    recorder = asyncio.create_task(pulls.run(), name="pull times")
    try:
        async with Runner(store, LeaseHolder(store, name), controllers):
            yield
    finally:
        recorder.cancel()
        await asyncio.gather(recorder, return_exceptions=True)
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await pulls.flush()
        except (StoreError, TimeoutError) as error:
            _log.warning("pull times were lost", error=str(error))
