"""Keeping a link to the control plane: connect, serve, and after any end connect again, with growing waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from websockets.exceptions import ConnectionClosed, WebSocketException

from roadstead.agent.client import ApiError, LinkRefused
from roadstead.agent.client.retry import LINKS, Backoff

log = structlog.get_logger(__name__)

STABLE_AFTER = 60.0
"""Seconds after which a connection counts as good, so that the next wait is short again."""


class InstanceGone(Exception):
    """The control plane knows no such instance (any more): register first."""


async def keep_connected(
    name: str,
    session: Callable[[], Awaitable[None]],
    *,
    failed: Callable[[], None],
    backoff: Backoff = LINKS,
    stable_after: float = STABLE_AFTER,
) -> None:
    """Run `session` again and again until cancelled; raises InstanceGone from it. A session that ends by itself is reconnected soon."""
    loop = asyncio.get_running_loop()
    attempt = 0
    while True:
        began = loop.time()
        try:
            await session()
            ended = "closed"
            attempt = 0
        except ConnectionClosed as error:
            ended = str(error)
        except (LinkRefused, ApiError, WebSocketException, OSError, TimeoutError) as error:
            ended = str(error) or type(error).__name__
            failed()
        if loop.time() - began >= stable_after:
            attempt = 0
        delay = backoff.delay(attempt)
        log.info("link ended", link=name, reason=ended, again_in=round(delay, 2))
        await asyncio.sleep(delay)
        attempt += 1


def jittered(base: float, jitter: float) -> float:
    """`base` plus up to `jitter` seconds."""
    return base + random.random() * jitter  # noqa: S311 - spreads load, keeps no secret
