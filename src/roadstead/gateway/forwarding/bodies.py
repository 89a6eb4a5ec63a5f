"""The body of a request as it comes from the client, checked on its way to the upstream."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import Any

from roadstead.core.forwarding.chunks import ChunkSigner
from roadstead.core.forwarding.s3.errors import (
    ContentSHA256Mismatch,
    EntityTooLarge,
    IncompleteBody,
    RequestTimeout,
)
from roadstead.gateway.body import ClientGone
from roadstead.kernel.errors import ServiceError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Incoming:
    """The body of one request, read once.

    `length` is what it is said to have, `idle` the seconds that the client may be silent. `started` tells that the client was asked for it, `ended`
    that nothing more of it comes, `failure` why it can't be passed on.
    """

    def __init__(self, receive: Receive, length: int, idle: float) -> None:
        self._receive = receive
        self._length = length
        self._idle = idle
        self.started = False
        self.ended = asyncio.Event()
        self.failure: ServiceError | ClientGone | None = None
        if length == 0:
            self.ended.set()

    async def plain(self) -> AsyncIterator[bytes]:
        """The body as it is; raises ClientGone, RequestTimeout and IncompleteBody, and remembers that."""
        try:
            async for piece in self._pieces():
                yield piece
        except (ServiceError, ClientGone) as error:
            self.failure = error
            raise

    async def whole(self, limit: int, take: Callable[[int], None]) -> bytes:
        """All of it, `take` told of its length first; raises EntityTooLarge besides."""
        if self._length > limit:
            raise EntityTooLarge("Your proposed upload exceeds the maximum allowed object size.")
        take(self._length)
        return b"".join([piece async for piece in self.plain()])

    async def hashed(self, claimed: str) -> AsyncIterator[bytes]:
        """The body, its last piece only when the hash is the one that was signed; raises ContentSHA256Mismatch besides."""
        digest, held = sha256(), b""
        async for piece in self.plain():
            if held:
                yield held
            digest.update(piece)
            held = piece
        if not hmac.compare_digest(digest.hexdigest().encode(), claimed.encode()):
            self.failure = ContentSHA256Mismatch.between(claimed, digest.hexdigest())
            raise self.failure
        if held:
            yield held

    async def signed_anew(self, signer: ChunkSigner) -> AsyncIterator[bytes]:
        """The body with the signatures of its chunks verified and replaced; raises an S3Error besides."""
        try:
            async for piece in self.plain():
                passed = signer.feed(piece)
                if passed:
                    yield passed
            signer.finish()
        except ServiceError as error:
            self.failure = error
            raise

    async def gone(self) -> None:
        """Wait until the client has closed its connection, once the body has been read."""
        await self.ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _pieces(self) -> AsyncIterator[bytes]:
        read = 0
        more = not self.ended.is_set()
        self.started = True
        while more:
            try:
                async with asyncio.timeout(self._idle):
                    message = await self._receive()
            except TimeoutError as error:
                text = "Your socket connection to the server was not read from or written to within the timeout period."
                raise RequestTimeout(text) from error
            if message["type"] == "http.disconnect":
                self.ended.set()
                raise ClientGone
            more = bool(message.get("more_body", False))
            piece: bytes = message.get("body", b"")
            read += len(piece)
            if not more:
                self.ended.set()
                if read != self._length:
                    text = "You did not provide the number of bytes specified by the Content-Length HTTP header."
                    raise IncompleteBody(text)
            if piece:
                yield piece
