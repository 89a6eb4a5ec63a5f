"""One HTTP exchange over ASGI: just what a registry needs of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from roadstead.access.arrival import Arrival, arrival_of
from roadstead.kernel.asgi import ANSWER, Answer
from roadstead.registry.errors import Header, RegistryError, too_large
from roadstead.store.blobs import BlobError, BlobUnknown

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SEND_FILE = "roadstead.send_file"
"""Where the scope has a `SendFile`, if the server can send parts of files past this process's memory."""
SendFile = Callable[[int, int, int], Awaitable[None]]
"""Sends, of an open file (its descriptor), from an offset on so many bytes, as the body of an answer whose head was sent."""

RECEIVE_BODY = "roadstead.receive_body"
"""Where the scope has a `ReceiveBody`, if the server can pass on this request's body in a thread."""
Sink = Callable[[memoryview], None]
"""Takes a piece of content, which is gone when it returns; blocks."""
ReceiveBody = Callable[[Sink], Awaitable[None]]
"""Gives the whole body to a sink. Raises ClientGone, TimeoutError when the client pauses for too long, and what the sink raises."""

RECEIVE_SECONDS = 60.0
"""How long a client may pause while it sends a body."""
SEND_SECONDS = 120.0
"""How long a client may take to read a chunk of an answer."""

LINGER_SECONDS = 5.0
"""How long a refused body is read on after the answer, before the connection is closed."""


class ClientGone(Exception):
    """The client left before its request or the answer was through."""


class BrokenOff(Exception):
    """The content of an answer that has begun ended before its length, or can't be read on: nothing is left but to close the connection."""


class Request:
    """The request of an exchange."""

    __slots__ = (
        "_query",
        "_query_string",
        "_receive",
        "answer",
        "arrival",
        "headers",
        "is_read",
        "method",
        "path",
        "receive_body",
        "send_file",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.arrival: Arrival = arrival_of(scope)
        self._query_string: bytes = scope["query_string"]
        self._query: dict[str, list[str]] | None = None
        self._receive = receive
        self.answer: Answer | None = scope.get(ANSWER)
        self.send_file: SendFile | None = scope.get(SEND_FILE)
        self.receive_body: ReceiveBody | None = scope.get(RECEIVE_BODY)
        self.is_read = not self.has_body
        """Whether nothing of the body is left to come."""

    def header(self, name: bytes) -> str | None:
        """A header by its lower-case name."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def queries(self, name: str) -> list[str]:
        """Every value of a query parameter."""
        if not self._query_string:
            return []
        if self._query is None:
            try:
                text = self._query_string.decode("ascii")
                self._query = parse_qs(text, keep_blank_values=True, max_num_fields=100, errors="strict")
            except ValueError as error:
                raise RegistryError(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", "malformed query") from error
        return self._query.get(name, [])

    def query(self, name: str) -> str | None:
        """The first value of a query parameter."""
        values = self.queries(name)
        return values[0] if values else None

    @property
    def content_length(self) -> int | None:
        """The announced length of the body, if it is."""
        value = self.headers.get(b"content-length")
        return int(value) if value is not None and value.isdigit() else None

    @property
    def has_body(self) -> bool:
        """Whether a body of at least one byte is announced, or one of unknown length."""
        return self.content_length != 0 if b"transfer-encoding" in self.headers else bool(self.content_length)

    def has_already(self, etag: bytes) -> bool:
        """Whether the client has the content with this tag: If-None-Match (RFC 9110, 13.1.2), whose comparison is the weak one."""
        given = self.headers.get(b"if-none-match")
        if given is None:
            return False
        named = [tag.strip().removeprefix(b"W/") for tag in given.split(b",")]
        return etag in named or named == [b"*"]

    async def stream(self) -> AsyncGenerator[bytes]:
        """The body as it comes. Raises ClientGone when it breaks off, RegistryError (408) when the client pauses for too long."""
        more = True
        while more:
            try:
                async with asyncio.timeout(RECEIVE_SECONDS):
                    message = await self._receive()
            except TimeoutError as error:
                raise _too_slow() from error
            if message["type"] == "http.disconnect":
                raise ClientGone
            more = message.get("more_body", False)
            self.is_read = not more
            if message.get("body"):
                yield message["body"]

    async def pour(self, sink: Sink) -> None:
        """The body, where there is `receive_body`, piece by piece into `sink`, which is called in threads. Raises as `stream` does."""
        if self.receive_body is None:
            raise TypeError("this server passes no bodies on")
        try:
            await self.receive_body(sink)
        except TimeoutError as error:
            raise _too_slow() from error
        self.is_read = True

    async def body(self, limit: int, what: str) -> bytes:
        """The whole body; raises RegistryError (413) when it is longer than `limit` bytes."""
        if (self.content_length or 0) > limit:
            raise too_large(what, limit)
        parts: list[bytes] = []
        size = 0
        async for part in self.stream():
            size += len(part)
            if size > limit:
                raise too_large(what, limit)
            parts.append(part)
        return b"".join(parts)

    async def linger(self) -> None:
        """Throw away for a while what is left of the body: a client that still sends would lose the answer to a reset connection."""
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                async for _ in self.stream():
                    pass
        except (TimeoutError, ClientGone, RegistryError):
            return


def _too_slow() -> RegistryError:
    return RegistryError(HTTPStatus.REQUEST_TIMEOUT, "UNKNOWN", "the request's body did not arrive")


@dataclass(frozen=True, slots=True)
class Repeatable:
    """Of an answer that may be given again: whether it still `holds`, and what is to be done when it is `given`."""

    holds: Callable[[], bool]
    given: Callable[[], None]


@dataclass(frozen=True, slots=True)
class FilePart:
    """`length` bytes of a file from `start` on."""

    path: Path
    start: int
    length: int


@dataclass(slots=True)
class Response:
    """An answer. `body` is bytes, content of `length` bytes that is still to be read, or for a request with `send_file` a part of a file."""

    status: int
    headers: list[Header] = field(default_factory=list[Header])
    body: bytes | FilePart | AsyncGenerator[bytes] = b""
    length: int | None = None
    repeatable: Repeatable | None = None
    """None where only the database can tell how the same request is to be answered."""


async def respond(send: Send, request: Request, response: Response) -> None:
    """Send an answer; of one to HEAD only the head.

    Raises ClientGone when the client stops reading, a BlobError for content that can't be read, and once the answer has begun BrokenOff.
    """
    body = response.body
    length = response.length if response.length is not None else len(body) if isinstance(body, bytes) else None
    headers = response.headers
    if length is not None and response.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers = [*headers, (b"content-length", b"%d" % length)]
    if not request.is_read:
        headers = [*headers, (b"connection", b"close")]
    start: Message = {"type": "http.response.start", "status": int(response.status), "headers": headers}
    if isinstance(body, bytes):
        if request.is_read and request.answer is not None:
            await request.answer(int(response.status), headers, body)
            return
        await send(start)
        body = b"" if request.method == "HEAD" else body
        if request.is_read:
            await send({"type": "http.response.body", "body": body})
            return
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await request.linger()
        await send({"type": "http.response.body", "body": b""})
        return
    if isinstance(body, FilePart):
        send_file = request.send_file
        if send_file is None:
            raise TypeError("this server sends no files")
        with _opened(body.path) as file:
            await send(start)
            try:
                await send_file(file, body.start, body.length)
            except EOFError as error:
                raise BrokenOff(str(error)) from error
        await send({"type": "http.response.body", "body": b""})
        return
    async with aclosing(body):
        chunk = await anext(body, b"")  # content that is not there is still an error answer, not a broken one
        await send(start)
        sent = 0
        while chunk:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except TimeoutError as error:
                raise ClientGone from error
            sent += len(chunk)
            try:
                chunk = await anext(body, b"")
            except BlobError as error:
                raise BrokenOff(f"after {sent} bytes: {error}") from error
    if length is not None and sent < length:
        raise BrokenOff(f"after {sent} of {length} bytes")
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def _opened(path: Path) -> Generator[int]:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise BlobUnknown(path.name) from error
    try:
        yield file
    finally:
        os.close(file)


def location(path: str) -> Header:
    """A Location header on this very host, whatever name the client has for it."""
    return (b"location", path.encode())


def digest_header(digest: str) -> Header:
    """The Docker-Content-Digest header."""
    return (b"docker-content-digest", digest.encode())


def json_headers(content_type: bytes = b"application/json", extra: Sequence[Header] = ()) -> list[Header]:
    """Headers of a JSON answer."""
    return [(b"content-type", content_type), *extra]
