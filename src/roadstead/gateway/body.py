"""Reading a request's body: bounded in size and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from roadstead.kernel.asgi import BodyAtHand

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyTooLarge(Exception):
    """The body is longer than the edge accepts."""


class BodyTimeout(Exception):
    """The client sent nothing for too long, or took too long over all."""


class TooManyBodies(Exception):
    """The bodies of all requests under way take as much memory as they may."""


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class Memory:
    """What the bodies of requests under way take together: `limit` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    def share(self) -> Share:
        """One request's part."""
        return Share(self)

    def take(self, size: int) -> None:
        """Take so many bytes; raises TooManyBodies."""
        if self._taken + size > self._limit:
            raise TooManyBodies
        self._taken += size

    def give_back(self, size: int) -> None:
        """Bytes that were taken are free again."""
        self._taken -= size


class Share:
    """One request's part of the memory, given back when the context ends. A class, since every request has one and generators cost more."""

    __slots__ = ("_memory", "_mine")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._mine = 0

    def __enter__(self) -> Callable[[int], None]:
        return self._take

    def __exit__(self, *_: object) -> None:
        self._memory.give_back(self._mine)

    def _take(self, size: int) -> None:
        self._memory.take(size)
        self._mine += size


async def read_body(
    receive: Receive,
    *,
    at_hand: BodyAtHand | None = None,
    declared: int | None,
    limit: int,
    idle: float,
    total: float,
    take: Callable[[int], None],
) -> bytes:
    """The whole body of a request.

    `at_hand` spares the wait for what is here; `declared` is its Content-Length, `limit` bytes at most; `idle` and `total` are seconds
    between chunks and over all; `take` is called before bytes are kept. Raises BodyTooLarge, BodyTimeout, ClientGone, and what `take` raises.
    """
    if declared is not None and declared > limit:
        raise BodyTooLarge
    whole = at_hand() if at_hand is not None else None
    if whole is not None:
        if len(whole) > limit:
            raise BodyTooLarge
        take(len(whole))
        return whole
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
            take(len(chunk))
            chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
