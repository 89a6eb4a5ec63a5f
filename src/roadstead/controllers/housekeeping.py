"""The housekeeping controller: what is over and done with goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from roadstead.controllers.controller import Controller, Shard
from roadstead.services.ecs import api as ecs
from roadstead.services.hosts import api as hosts
from roadstead.store import StoreError
from roadstead.store.consumers import trim
from roadstead.store.idempotency import purge_expired

INTERVAL = 60.0
EVENTS_KEPT = timedelta(minutes=10)
UNREAD_EVENTS_KEPT = timedelta(hours=24)
_BATCH = 1000
_log = structlog.get_logger("housekeeping")


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to clear away; the function returns how many things went."""

    name: str
    do: Callable[[Shard], Awaitable[int]]


async def _trim_outbox(shard: Shard) -> int:
    gone = 0
    while True:
        batch = await trim(shard.store, keep=EVENTS_KEPT, keep_unread=UNREAD_EVENTS_KEPT, limit=_BATCH)
        gone += batch
        if batch < _BATCH:
            return gone


async def _tombstones(shard: Shard) -> int:
    return await shard.run(hosts.trim_tombstones)


async def _instances(shard: Shard) -> int:
    return await shard.run(ecs.forget_instances)


async def _client_tokens(shard: Shard) -> int:
    return await shard.run(purge_expired)


CHORES = (
    Chore("outbox", _trim_outbox),
    Chore("client tokens", _client_tokens),
    Chore("host tombstones", _tombstones),
    Chore("deregistered container instances", _instances),
)


def housekeeping_controller(*more: Chore) -> Controller:
    """Runs the standing chores and `more` (as expiring uploads, which the blob store's owner gives) once a minute."""
    return Controller("housekeeping", (), INTERVAL, partial(_clean, (*CHORES, *more)))


async def _clean(chores: Sequence[Chore], shard: Shard) -> None:
    for chore in chores:
        try:
            gone = await chore.do(shard)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - the fault of one chore, as of blobs that are away, must not keep the others from being done
            _log.exception("a chore failed", chore=chore.name)
            continue
        if gone:
            _log.info("cleared", chore=chore.name, count=gone)
