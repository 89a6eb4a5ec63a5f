"""What a client may say before anything of it is a request is bounded."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.http_connection import connected

from roadstead.kernel.asgi import ANSWER
from roadstead.server.http import LONGEST_HEAD

BEGUN = b"GET /x HTTP/1.1\r\nhost: x\r\n"
PIECE = 8 * 1024


class App:
    """Answers at once, whatever comes behind the head."""

    def __init__(self) -> None:
        self.requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        await scope[ANSWER](200, [(b"content-length", b"0")], b"")


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"GET /", b"x" * PIECE),
        (BEGUN, b"a: %b\r\n" % (b"x" * (PIECE - 5))),
        (BEGUN, b"a: b\r\n" * (PIECE // 6)),
        (BEGUN + b"a: ", b"x" * PIECE),
        (BEGUN + b"a", b"a" * PIECE),
    ],
)
async def test_a_head_that_does_not_end_is_refused(begun: bytes, piece: bytes):
    app = App()
    async with connected(app) as client:
        await client.ask(begun)
        written: list[bytes] = []
        for _ in range(LONGEST_HEAD // PIECE + 1):
            assert not client.closed
            written = await client.ask(piece)
        assert b"".join(written).startswith(b"HTTP/1.1 431 ")
        assert client.closed
        assert not app.requests


@pytest.mark.parametrize("piece", [b"a: %b\r\n" % (b"x" * (PIECE - 5)), b"x" * PIECE])
async def test_neither_may_a_trailer(piece: bytes):
    app = App()
    async with connected(app) as client:
        await client.ask(BEGUN + b"transfer-encoding: chunked\r\n\r\n0\r\na: ")
        for _ in range(LONGEST_HEAD // PIECE + 1):
            assert not client.closed
            await client.ask(piece)
        assert client.closed
        assert app.requests == 1


async def test_heads_and_bodies_of_any_number_are_none():
    app = App()
    async with connected(app) as client:
        head = BEGUN + b"a: %b\r\n" % (b"x" * (PIECE - 5))
        for _ in range(2 * LONGEST_HEAD // PIECE):
            assert b"".join(await client.ask(head, b"content-length: 0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await client.ask(BEGUN + b"content-length: %d\r\n\r\n" % (4 * LONGEST_HEAD))
        for _ in range(4 * LONGEST_HEAD // PIECE):
            await client.ask(b"x" * PIECE)
        assert b"".join(await client.ask(head, b"\r\n")).startswith(b"HTTP/1.1 200 ")
        assert not client.closed
