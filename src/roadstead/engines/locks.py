"""File locks between processes (flock(2)) that don't block the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

_POLL_SECONDS = 0.1


@contextlib.asynccontextmanager
async def exclusive(path: Path, *, waiting: Callable[[], None] | None = None) -> AsyncGenerator[None, None]:
    """Hold the lock file `path`, made when missing; `waiting` is called once if another holder has it.

    The kernel frees the lock when the holder dies, however that happens. The file stays: removing it would let two
    processes hold locks on two files of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        announced = False
        while not _try_lock(descriptor):
            if waiting is not None and not announced:
                announced = True
                waiting()
            await asyncio.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
