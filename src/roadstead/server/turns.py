"""Threads that move bytes between a connection's socket and a file: any number of connections share a few of them, a turn at a time.

System calls that copy let go of the interpreter's lock, so several connections move bytes at once, and the event loop does not wait for the disk.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

CHUNK = 256 * 1024
"""Bytes that are moved at once: little enough to be in the processor's cache from the first copy to the last."""
STALL_MILLISECONDS = 200
"""How long a thread waits for the other side, before the event loop does."""
_TURN_SECONDS = 0.5
"""How long a thread works for one connection before others have their turn."""

_threads = ThreadPoolExecutor(8, thread_name_prefix="turns")


async def take_turn(work: Callable[[Callable[[], bool]], T]) -> T:
    """Run `work(goes_on)` in a thread; it has to return soon after `goes_on()` has become false. When this returns the thread is done, always."""
    stop = threading.Event()
    ends = time.monotonic() + _TURN_SECONDS

    def goes_on() -> bool:
        return not stop.is_set() and time.monotonic() < ends

    def unless_stopped() -> T:
        if stop.is_set():
            raise RuntimeError("nobody waits for this turn")
        return work(goes_on)

    try:
        turn = asyncio.get_running_loop().run_in_executor(_threads, unless_stopped)
    except RuntimeError:
        stop.set()  # no thread could be started, but the turn is in the queue, and the caller's descriptors may be another's by then
        raise
    try:
        return await asyncio.shield(turn)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([turn])  # threads can't be cancelled, and this one has files of the caller's
        raise
