"""Parts of files on their way to a socket by sendfile(2), which copies nothing into this process."""

from __future__ import annotations

import asyncio
import os

PART = 1 << 20
"""Bytes that are sent in one go: the event loop does nothing else meanwhile."""
_PROBES = 128 * 1024


async def send_part(socket: int, file: int, offset: int, count: int) -> int:
    """Send up to `count` bytes, and PART at most, from `offset`; returns how many, 0 at the end of the file.

    In this thread where memory has them, else in one that may wait for the disk. Raises BlockingIOError when the socket, which must not block,
    takes nothing now, and ConnectionError.
    """
    length = min(count, PART)
    if is_in_memory(file, offset, length):
        return os.sendfile(socket, file, offset, length)
    return await asyncio.to_thread(os.sendfile, socket, file, offset, length)


def is_in_memory(file: int, offset: int, length: int) -> bool:
    """Whether a part of a file can be read without waiting for the disk, as far as a look at a byte of every 128 KiB tells."""
    probe = bytearray(1)
    places = [*range(offset, offset + length, _PROBES), offset + length - 1]
    try:
        return all(os.preadv(file, [probe], place, os.RWF_NOWAIT) for place in places)
    except OSError:  # not in memory, or a file system that can't tell
        return False
