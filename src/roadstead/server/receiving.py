"""Large bodies of known length, from their socket to whoever wants them, in a thread: past the event loop, the parser and their copies.

recv(2), hashing and writing all let go of the interpreter's lock, so that several bodies come at once. A thread works on one body only while
that flows: what a slow client sends is waited for by the event loop.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

SHORTEST = 256 * 1024
"""Bytes of a body from which on the way through a thread is the shorter one."""
CHUNK = 256 * 1024
"""Bytes that are passed on at once: little enough to be in the processor's cache from the first copy to the last."""
_STALL_MILLISECONDS = 200
"""How long a thread waits for CHUNK bytes."""
_TURN_SECONDS = 0.5
"""How long a thread works on one body before others have their turn."""

_threads = ThreadPoolExecutor(8, thread_name_prefix="bodies")


class BodySocket:
    """The rest of a body, `left` bytes, that is still to come on a socket which nobody else reads meanwhile. Close it."""

    def __init__(self, descriptor: int, left: int) -> None:
        self.left = left
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._socket.setblocking(False)
        self._stop = threading.Event()

    async def pour(self, sink: Callable[[memoryview], None], pause: float) -> None:
        """Call `sink` in a thread with one piece after the other, each gone when it returns; what it raises ends this.

        Raises TimeoutError when nothing comes for `pause` seconds, EOFError when the body breaks off, ConnectionError.
        """
        buffer = memoryview(bytearray(min(CHUNK, self.left)))
        while self.left:
            await self._until_readable(pause)
            turn = asyncio.get_running_loop().run_in_executor(_threads, self._take_turn, buffer, sink)
            try:
                await asyncio.shield(turn)
            except asyncio.CancelledError:
                self._stop.set()
                await asyncio.wait([turn])  # threads can't be cancelled, and this one has the sink
                raise

    def close(self) -> None:
        """Let go of the socket, which its owner still has."""
        self._socket.close()

    def _take_turn(self, buffer: memoryview, sink: Callable[[memoryview], None]) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        ends = time.monotonic() + _TURN_SECONDS
        awaited = 1
        try:
            while self.left and time.monotonic() < ends and not self._stop.is_set():
                wanted = min(len(buffer), self.left)
                if wanted != awaited:
                    self._wake_at(wanted)
                    awaited = wanted
                poll.poll(_STALL_MILLISECONDS)
                count = self._socket.recv_into(buffer[:wanted])
                if not count:
                    raise EOFError(f"{self.left} bytes of a body never came")
                self.left -= count
                sink(buffer[:count])
                if count < wanted:
                    return
        except BlockingIOError:
            return
        finally:
            self._wake_at(1)

    def _wake_at(self, count: int) -> None:
        """Have the kernel say that the socket is readable when it has so many bytes (socket(7))."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    async def _until_readable(self, within: float) -> None:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self._socket, lambda: None if readable.done() else readable.set_result(None))
        try:
            async with asyncio.timeout(within):
                await readable
        finally:
            loop.remove_reader(self._socket)
