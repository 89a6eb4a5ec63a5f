"""The registry's controller: content that nothing refers to goes, while pushes go on."""

from __future__ import annotations

from functools import partial

import structlog

from roadstead.controllers.controller import Controller, Shard
from roadstead.services.ecr.api import RegistryStorage, collect_garbage

INTERVAL = 60.0
LEFTOVERS_INTERVAL = 24 * 3600.0
"""How often every stored blob is looked at, for what a crash left behind."""
_log = structlog.get_logger("registry")


class _Collector:
    """When this server looked for leftovers last; a server that takes over looks at once."""

    def __init__(self, storage: RegistryStorage) -> None:
        self._storage = storage
        self._next_search = 0.0

    async def collect(self, shard: Shard) -> None:
        now = self._storage.store.clock.monotonic()
        search = now >= self._next_search
        done = await collect_garbage(self._storage, shard.run, self._storage.grace, leftovers=search)
        if search:
            self._next_search = now + LEFTOVERS_INTERVAL
        if done.links or done.contents or done.leftovers or done.bytes:
            _log.info("collected", links=done.links, blobs=done.contents, leftovers=done.leftovers, bytes=done.bytes)


def registry_controller(storage: RegistryStorage) -> Controller:
    """Collects once a minute."""
    return Controller("registry", (), INTERVAL, partial(_Collector.collect, _Collector(storage)))
