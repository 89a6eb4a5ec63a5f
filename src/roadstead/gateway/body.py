"""Reading a request's body: bounded in size and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyTooLarge(Exception):
    """The body is longer than the edge accepts."""


class BodyTimeout(Exception):
    """The client sent nothing for too long, or took too long over all."""


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, *, declared: int | None, limit: int, idle: float, total: float) -> bytes:
    """The whole body of a request.

    `declared` is its Content-Length, `limit` bytes at most; `idle` and `total` are seconds between chunks and over all. Raises
    BodyTooLarge, BodyTimeout or ClientGone.
    """
    if declared is not None and declared > limit:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    loop = asyncio.get_running_loop()
    deadline = loop.time() + total
    while True:
        try:
            async with asyncio.timeout_at(min(loop.time() + idle, deadline)):
                message = await receive()
        except TimeoutError as error:
            raise BodyTimeout from error
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        if chunk:
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge
            chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
