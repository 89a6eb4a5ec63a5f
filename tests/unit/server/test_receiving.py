"""Large bodies that threads take from the socket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from tests.support.web_server import web_server

from roadstead.registry.http import RECEIVE_BODY, ClientGone
from roadstead.server.http import PatientHttpProtocol
from roadstead.server.receiving import SHORTEST, BodySocket
from roadstead.server.turns import CHUNK

PAUSE = 0.6
LARGE = os.urandom(5 * CHUNK + 123)


class Protocol(PatientHttpProtocol):
    pause_seconds = PAUSE


class App:
    """Answers with the digest of the body and how it came; `sink` is called with each piece before it is counted."""

    def __init__(self) -> None:
        self.sink: Callable[[memoryview], None] = lambda piece: None
        self.failures: list[BaseException] = []
        self.begun = asyncio.Event()
        self.failed = asyncio.Event()
        self.delay = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        digest = hashlib.sha256()

        def take(piece: memoryview) -> None:
            self.sink(piece)
            digest.update(piece)

        try:
            await asyncio.sleep(self.delay)
            self.begun.set()
            if RECEIVE_BODY in scope:
                how = "poured"
                await scope[RECEIVE_BODY](take)
            else:
                how = "streamed"
                while (message := await receive())["type"] == "http.request":
                    digest.update(message["body"])
                    if not message["more_body"]:
                        break
        except BaseException as error:
            self.failures.append(error)
            self.failed.set()
            if not isinstance(error, OSError):
                raise
            how = "refused"
        body = f"{how} {digest.hexdigest()}".encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
async def port(app: App) -> AsyncGenerator[int]:
    async with web_server(app, Protocol) as (_, address):
        yield address[1]


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[str, str]:
        """How the body came and the digest of what came."""
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            how, digest = (await self.reader.readexactly(int(length.split()[1]))).decode().split()
        return how, digest


@pytest.fixture
async def client(port: int) -> AsyncGenerator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Client(reader, writer)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def put(content: bytes, more: bytes = b"") -> bytes:
    return b"PUT / HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n" % (more, len(content)) + content


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def test_requests_go_on_behind_large_bodies(client: Client):
    """All in one go: the next head may come in the same bytes as the end of a body."""
    bodies = [LARGE, b"small", LARGE[1:], bytes(SHORTEST), b""]
    client.writer.write(b"".join(put(body) for body in bodies))
    for body in bodies:
        how = "poured" if len(body) >= SHORTEST else "streamed"
        assert await client.answer() == (how, digest_of(body))


async def test_what_came_before_it_was_asked_for(client: Client, app: App):
    app.delay = 0.3
    client.writer.write(put(LARGE))
    assert await client.answer() == ("poured", digest_of(LARGE))
    client.writer.write(put(LARGE[: SHORTEST + 1]))
    assert await client.answer() == ("poured", digest_of(LARGE[: SHORTEST + 1]))


async def test_other_bodies_come_as_before(client: Client):
    chunked = b"PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    client.writer.write(chunked + b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE))
    assert await client.answer() == ("streamed", digest_of(LARGE))
    client.writer.write(put(LARGE, b"expect: 100-continue\r\n"))
    assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    assert await client.answer() == ("streamed", digest_of(LARGE))


async def test_a_slow_client_gets_there(client: Client):
    whole = put(LARGE)
    for start in range(0, len(whole), len(whole) // 5):
        client.writer.write(whole[start : start + len(whole) // 5])
        await asyncio.sleep(PAUSE / 2)
    assert await client.answer() == ("poured", digest_of(LARGE))


async def test_one_who_pauses_for_too_long_is_told_and_read_on(client: Client, app: App):
    whole = put(LARGE)
    client.writer.write(whole[:-10])
    assert (await client.answer())[0] == "refused"
    assert [type(failure) for failure in app.failures] == [TimeoutError]
    client.writer.write(whole[-10:] + put(b"next"))
    assert await client.answer() == ("streamed", digest_of(b"next"))


async def test_a_sink_that_fails(client: Client, app: App):
    pieces: list[int] = []

    def full(piece: memoryview) -> None:
        pieces.append(len(piece))
        if len(pieces) == 2:
            raise OSError("the disk is full")

    app.sink = full
    client.writer.write(put(LARGE))
    assert (await client.answer())[0] == "refused"
    assert len(pieces) == 2
    app.sink = lambda piece: None
    client.writer.write(put(LARGE[5:]))
    assert await client.answer() == ("poured", digest_of(LARGE[5:]))


async def test_a_client_that_leaves(client: Client, app: App):
    client.writer.write(put(LARGE)[: -len(LARGE) // 2])
    await app.begun.wait()
    client.writer.close()
    async with asyncio.timeout(10):
        await app.failed.wait()
    assert isinstance(app.failures[0], ClientGone)


async def test_many_at_once_share_the_threads(port: int):
    async def one(number: int) -> None:
        content = bytes([number]) + LARGE
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(put(content))
        assert await Client(reader, writer).answer() == ("poured", digest_of(content))
        writer.close()

    await asyncio.gather(*(one(number) for number in range(40)))


async def test_idle_bodies_hold_no_thread(port: int, client: Client):
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    for _, writer in idle:
        writer.write(put(LARGE)[: SHORTEST // 2])
    client.writer.write(put(LARGE))
    assert await client.answer() == ("poured", digest_of(LARGE))
    for _, writer in idle:
        writer.close()


async def test_a_cancelled_pour_has_ended_when_it_returns():
    here, there = socket.socketpair()
    here.setblocking(False)
    taken = asyncio.Event()
    loop = asyncio.get_running_loop()
    counts: list[int] = []

    def take(piece: memoryview) -> None:
        counts.append(len(piece))
        loop.call_soon_threadsafe(taken.set)

    body = BodySocket(here.fileno(), 100 * CHUNK)
    pouring = asyncio.create_task(body.pour(take, 5))
    there.sendall(bytes(CHUNK // 4))
    await taken.wait()
    pouring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pouring
    assert body.left == 100 * CHUNK - sum(counts)
    body.close()
    there.sendall(b"next")
    assert await loop.sock_recv(here, 100) == b"next", (
        "nobody reads the socket any more, and every byte wakes its owner"
    )
    here.close()
    there.close()
