"""A transport that sends the head and the body of a small answer together.

uvicorn writes them one after the other and uvloop sends each write at once: two system calls for us, two wake-ups for the client.
"""

from __future__ import annotations

import asyncio
from typing import Any

MAX_HELD = 64 * 1024
"""Bytes that wait at most; from there on the transport's own flow control must see them."""


class CombiningTransport:
    """Passes on, as one, what is written in one step of the event loop. Everything else is the inner transport's."""

    __slots__ = ("_held", "_inner", "_loop", "_size")

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this step, or now when much is waiting."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > MAX_HELD:
            self.flush()

    def write_now(self, data: bytes) -> None:
        """Send what waits and `data`, without waiting for the end of this step."""
        self.flush()
        self._inner.write(data)

    def write_eof(self) -> None:
        """Send what waits, then the end of the stream."""
        self.flush()
        self._inner.write_eof()

    def close(self) -> None:
        """Send what waits, then close."""
        self.flush()
        self._inner.close()

    def abort(self) -> None:
        """Drop what waits and close."""
        self._held.clear()
        self._size = 0
        self._inner.abort()

    def flush(self) -> None:
        """Send what waits."""
        if self._held:
            self._inner.write(self.take())

    def take(self) -> bytes:
        """What waits, for the caller to send."""
        if not self._held:
            return b""
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._size = 0
        return data
