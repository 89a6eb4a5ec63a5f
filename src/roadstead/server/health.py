"""What the server says of itself at /_roadstead/health and /_roadstead/ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import literal, select

from roadstead.controllers.links import lives
from roadstead.services.ecs.api import servers_of_pool
from roadstead.store import Store, StoreError, Transaction

_SECONDS = 2.0
_ASK = select(literal(1))


class Health:
    """Asks the database, and gives it two seconds. Answers are what is wrong: empty when nothing is."""

    def __init__(self, store: Store, region: str) -> None:
        self._store = store
        self._region = region

    async def healthy(self) -> str:
        """Whether the database answers."""

        async def ask(tx: Transaction) -> str:
            await tx.execute(_ASK)
            return ""

        return await self._asked(ask)

    async def ready(self) -> str:
        """Whether the Fargate pool takes tasks: an agent of it is linked to a server that lives."""

        async def ask(tx: Transaction) -> str:
            for server in await servers_of_pool(tx, self._region):
                if await lives(tx, server):
                    return ""
            return "no agent of the Fargate pool is connected"

        return await self._asked(ask)

    async def _asked(self, question: Callable[[Transaction], Awaitable[str]]) -> str:
        try:
            async with asyncio.timeout(_SECONDS), self._store.snapshot() as tx:
                return await question(tx)
        except StoreError:
            return "the database does not answer"
        except TimeoutError:
            return f"the database does not answer within {_SECONDS:g} s"
