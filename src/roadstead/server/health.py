"""What the server says of itself at /_roadstead/health and /_roadstead/ready."""

from __future__ import annotations

import asyncio

from sqlalchemy import literal, select

from roadstead.controllers.links import lives
from roadstead.services.ecs.api import servers_of_pool
from roadstead.store import Store, StoreError

_SECONDS = 2.0
_ASK = select(literal(1))


class Health:
    """Asks the database, and gives it two seconds."""

    def __init__(self, store: Store, region: str) -> None:
        self._store = store
        self._region = region

    async def healthy(self) -> bool:
        """Whether the database answers."""
        try:
            async with asyncio.timeout(_SECONDS), self._store.snapshot() as tx:
                await tx.execute(_ASK)
        except (StoreError, TimeoutError):
            return False
        return True

    async def ready(self) -> bool:
        """Whether the Fargate pool takes tasks: an agent of it is linked to a server that lives."""
        try:
            async with asyncio.timeout(_SECONDS), self._store.snapshot() as tx:
                for server in await servers_of_pool(tx, self._region):
                    if await lives(tx, server):
                        return True
        except (StoreError, TimeoutError):
            return False
        return False
