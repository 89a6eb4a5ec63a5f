"""Questions to a process: do you answer yet? Each is one attempt; the runner repeats it and bounds its time."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

_LONGEST_ANSWER = 64 << 10
_SHOWN = 200

Check = Callable[[], Awaitable[bool]]
"""True when the process answers as it should. An OSError counts as False, and NotReady as one that says why."""


class NotReady(Exception):
    """The process answers, and not as it should; the text is its answer."""


async def always_ready() -> bool:
    """For a process of which nothing is asked but to run."""
    return True


@dataclass(frozen=True, slots=True)
class UnixSocketCheck:
    """Something accepts connections on a Unix socket."""

    path: Path

    async def __call__(self) -> bool:
        """Connect and hang up."""
        _, writer = await asyncio.open_unix_connection(self.path)
        await _close(writer)
        return True


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """A GET of `path` is answered with a status of 2xx; over TCP, or over a Unix socket when `socket` is given.

    With `holds`, the answer must hold that text: without it, another program on the same port passes for ours.
    """

    path: str
    host: str = "127.0.0.1"
    port: int = 80
    socket: Path | None = None
    holds: str = ""

    async def __call__(self) -> bool:
        """Ask once, without following redirects; raises NotReady for any other answer."""
        if self.socket is not None:
            reader, writer = await asyncio.open_unix_connection(self.socket)
        else:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            request = f"GET {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            await writer.drain()
            answer = await _read(reader, _LONGEST_ANSWER)
        finally:
            await _close(writer)
        if re.match(rb"HTTP/1\.[01] 2\d\d\b", answer) is None or self.holds.encode() not in answer:
            raise NotReady(_told(answer))
        return True


def _told(answer: bytes) -> str:
    """The status and the beginning of the body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.partition(b"\r\n")[0].decode(errors="replace")
    text = f"{status} {body[:_SHOWN].decode(errors='replace')}"
    return text.strip() or "an empty answer"


async def _read(reader: asyncio.StreamReader, limit: int) -> bytes:
    """What comes until the end, or its first `limit` bytes."""
    answer = b""
    while len(answer) < limit and (chunk := await reader.read(limit - len(answer))):
        answer += chunk
    return answer


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):  # the other side may have hung up first, which is as good
        await writer.wait_closed()
