"""Content on its way to a client: while one chunk is sent, the next one is read from the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast


async def read_ahead(source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The chunks of `source`, each read while the one before it is in use. At most two chunks are in memory."""
    async with aclosing(cast("AsyncGenerator[bytes]", source)) as chunks:
        reading = _next(chunks)
        try:
            while True:
                chunk = await asyncio.shield(reading)
                if chunk is None:
                    return
                reading = _next(chunks)
                yield chunk
        finally:
            if not reading.done():
                await asyncio.wait([reading])  # the source can't be closed while it is being read
            if not reading.cancelled():
                reading.exception()


def _next(chunks: AsyncIterator[bytes]) -> asyncio.Task[bytes | None]:
    async def read() -> bytes | None:
        return await anext(chunks, None)

    return asyncio.get_running_loop().create_task(read())
