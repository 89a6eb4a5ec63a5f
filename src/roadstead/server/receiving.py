"""Large bodies of known length, from their socket to whoever wants them, in a thread: past the event loop, the parser and their copies."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Callable

from roadstead.server.turns import CHUNK, STALL_MILLISECONDS, take_turn

SHORTEST = 256 * 1024
"""Bytes of a body from which on the way through a thread is the shorter one."""


class BodySocket:
    """The rest of a body, `left` bytes, that is still to come on a socket which nobody else reads meanwhile. Close it."""

    def __init__(self, descriptor: int, left: int) -> None:
        self.left = left
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._socket.setblocking(False)

    async def pour(self, sink: Callable[[memoryview], None], pause: float) -> None:
        """Call `sink` in a thread with one piece after the other, each gone when it returns; what it raises ends this.

        Raises TimeoutError when nothing comes for `pause` seconds, EOFError when the body breaks off, ConnectionError.
        """
        buffer = memoryview(bytearray(min(CHUNK, self.left)))
        while self.left:
            await self._until_readable(pause)
            await take_turn(lambda goes_on: self._receive(buffer, sink, goes_on))

    def close(self) -> None:
        """Let go of the socket, which its owner still has."""
        self._socket.close()

    def _receive(self, buffer: memoryview, sink: Callable[[memoryview], None], goes_on: Callable[[], bool]) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        awaited = 1
        try:
            while self.left and goes_on():
                wanted = min(len(buffer), self.left)
                if wanted != awaited:
                    self._wake_at(wanted)
                    awaited = wanted
                poll.poll(STALL_MILLISECONDS)
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
