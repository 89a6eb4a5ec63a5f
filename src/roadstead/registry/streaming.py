"""Content on its way to a client: while one chunk is sent, the next one is read from the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

from roadstead.store.blobs import BlobUnknown


def read_part(path: Path, start: int, length: int) -> bytes:
    """`length` bytes of a file from `start`; raises BlobUnknown when it has gone. Blocks."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(length)
    except FileNotFoundError as error:
        raise BlobUnknown(path.name) from error


async def read_ahead(source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The chunks of `source`, each read while the one before it is in use. At most two chunks are in memory."""
    async with aclosing(cast(AsyncGenerator[bytes], source)) as chunks:
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
