"""What a server does besides answering: controllers under leases, and the writing of what was gathered in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from roadstead.access.master_key import MasterKey
from roadstead.access.sealing import Sealer
from roadstead.access.sealing_keys import rotate_sealing_keys
from roadstead.controllers.controller import Shard
from roadstead.controllers.housekeeping import Chore, housekeeping_controller
from roadstead.controllers.image_lifecycle import image_lifecycle_controller
from roadstead.controllers.links import links_controller
from roadstead.controllers.registry import registry_controller
from roadstead.controllers.runner import Runner
from roadstead.controllers.tasks import tasks_controller
from roadstead.kernel.clock import Clock
from roadstead.services.ecr.api import RegistryStorage, expire_uploads
from roadstead.services.logs.api import expire_events, remove_leftovers
from roadstead.store import Store, StoreError, Transaction
from roadstead.store.leases import LeaseHolder

_FLUSH_SECONDS = 2.0
_FOLLOW_SECONDS = 30.0
"""How often a server reads the sealing keys: often enough to know a new one before any server seals with it."""
_log = structlog.get_logger("server")


class Gathered(Protocol):
    """What is gathered in memory and written now and then."""

    @property
    def what(self) -> str:
        """What it is, for logs."""
        ...

    @property
    def interval_seconds(self) -> float:
        """How often it is written."""
        ...

    async def flush(self) -> int:
        """Write it; returns how much. Raises StoreError, and keeps it for the next time then."""
        ...


@dataclass(frozen=True, slots=True)
class Seals:
    """What sealing keys are made under, and who seals with them."""

    master: MasterKey
    sealer: Sealer


@contextlib.asynccontextmanager
async def background_work(
    store: Store, storage: RegistryStorage, gathered: Sequence[Gathered], seals: Seals, name: str, clock: Clock
) -> AsyncGenerator[None]:
    """Run the controllers and write what is gathered while the context lasts; `name` is the server's, for the controllers' leases."""

    async def old_uploads(_shard: Shard) -> int:
        return await expire_uploads(storage, clock.now())

    async def old_events(shard: Shard) -> int:
        return await _in_batches(shard, lambda tx: expire_events(tx, clock.now()))

    async def leftover_events(shard: Shard) -> int:
        return await _in_batches(shard, remove_leftovers)

    async def old_sealing_keys(shard: Shard) -> int:
        return await shard.run(lambda tx: rotate_sealing_keys(tx, seals.master, clock.now()))

    controllers = (
        tasks_controller(),
        links_controller(),
        registry_controller(storage),
        image_lifecycle_controller(),
        housekeeping_controller(
            Chore("uploads", old_uploads),
            Chore("log events", old_events),
            Chore("log events of deleted groups and streams", leftover_events),
            Chore("sealing keys", old_sealing_keys),
        ),
    )
    writing = [asyncio.create_task(_write(each), name=each.what) for each in gathered]
    writing.append(asyncio.create_task(_follow(store, seals.sealer), name="sealing keys"))
    try:
        async with Runner(store, LeaseHolder(store, name), controllers):
            yield
    finally:
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        for each in gathered:
            await _flush(each)


async def _follow(store: Store, sealer: Sealer) -> None:
    while True:
        await asyncio.sleep(_FOLLOW_SECONDS)
        try:
            async with store.snapshot() as tx:
                await sealer.follow(tx)
        except StoreError as error:
            _log.warning("the sealing keys can't be read now", error=str(error))
        except Exception:  # noqa: BLE001 - whatever it met, it must be tried again
            _log.exception("the sealing keys can't be read now")


async def _in_batches(shard: Shard, remove: Callable[[Transaction], Awaitable[int]]) -> int:
    """Repeat what removes a few at once until nothing is left; how many went."""
    gone = 0
    while batch := await shard.run(remove):
        gone += batch
    return gone


async def _write(gathered: Gathered) -> None:
    while True:
        await asyncio.sleep(gathered.interval_seconds)
        try:
            await gathered.flush()
        except StoreError as error:
            _log.warning("what was gathered is not written yet", what=gathered.what, error=str(error))
        except Exception:  # noqa: BLE001 - as above
            _log.exception("what was gathered is not written yet", what=gathered.what)


async def _flush(gathered: Gathered) -> None:
    try:
        async with asyncio.timeout(_FLUSH_SECONDS):
            await gathered.flush()
    except (StoreError, TimeoutError) as error:
        _log.warning("what was gathered is lost", what=gathered.what, error=str(error))
