"""Parts of files on their way to a socket: small ones by sendfile(2), which copies nothing into this process, large ones by a thread.

For large ones the thread is faster than sendfile, page by page: it reads and writes a quarter of a MiB at once (decision 0021).
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable

from roadstead.server.turns import CHUNK, STALL_MILLISECONDS, take_turn

PART = 1 << 20
"""Bytes up to which a part is sent in one go: the event loop does nothing else meanwhile."""
_PROBES = 128 * 1024


async def send_part(descriptor: int, file: int, offset: int, count: int) -> int:
    """Send bytes from `offset` on, `count` at most, to a socket; returns how many.

    In this thread up to PART bytes that memory has, else in one that may wait for the disk. Raises BlockingIOError when the socket, which must not
    block, takes nothing now, EOFError where the file has no more, and ConnectionError.
    """
    if count <= PART and is_in_memory(file, offset, count):
        sent = os.sendfile(descriptor, file, offset, count)
        if not sent:
            raise EOFError("a file that is being sent has become shorter")
        return sent
    return await take_turn(lambda goes_on: _send(descriptor, file, offset, count, goes_on))


def send_with_more(descriptor: int, data: bytes) -> int:
    """Give the kernel bytes that are to go out with those that follow at once; returns how many it took. Raises ConnectionError."""
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=descriptor)
    try:
        return own.send(data, socket.MSG_MORE) if data else 0
    except BlockingIOError:
        return 0
    finally:
        own.detach()


def _send(descriptor: int, file: int, offset: int, count: int, goes_on: Callable[[], bool]) -> int:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    buffer = memoryview(bytearray(min(CHUNK, count)))
    sent = 0
    while sent < count and (goes_on() or not sent):
        read = os.preadv(file, [buffer[: min(len(buffer), count - sent)]], offset + sent)
        if not read:
            raise EOFError("a file that is being sent has become shorter")
        done = 0
        while done < read:
            try:
                done += os.write(descriptor, buffer[done:read])
            except BlockingIOError:
                if not poll.poll(STALL_MILLISECONDS):
                    if sent + done:
                        return sent + done
                    raise
        sent += read
    return sent


def is_in_memory(file: int, offset: int, length: int) -> bool:
    """Whether a part of a file can be read without waiting for the disk, as far as a look at a byte of every 128 KiB tells."""
    probe = bytearray(1)
    places = [*range(offset, offset + length, _PROBES), offset + length - 1]
    try:
        return all(os.preadv(file, [probe], place, os.RWF_NOWAIT) for place in places)
    except OSError:  # not in memory, or a file system that can't tell
        return False
