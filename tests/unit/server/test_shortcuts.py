"""Answers in one write, bodies without a timer, and requests that leave nothing for the collector."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.http_connection import connected

from roadstead.kernel.asgi import ANSWER, BODY_AT_HAND

GET = b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n"
OK = (200, [(b"content-type", b"text/plain"), (b"content-length", b"2")], b"ok")
Application = Callable[[Any, Any, Any], Awaitable[None]]


def answering(*answer: Any) -> Application:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await scope[ANSWER](*answer)

    return app


async def test_head_and_body_are_one_write():
    async with connected(answering(*OK)) as client:
        client.state.default_headers = [(b"date", b"now")]
        assert await client.ask(GET) == [
            b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
        ]
        client.state.default_headers = [(b"date", b"later")]
        (second,) = await client.ask(GET)
        assert b"date: later\r\n" in second
        assert client.state.total_requests == 2
        assert not client.closed


async def test_an_answer_to_head_has_no_body():
    async with connected(answering(*OK)) as client:
        (written,) = await client.ask(GET.replace(b"GET", b"HEAD"))
        assert written.endswith(b"content-length: 2\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
async def test_neither_has_one_that_says_there_is_none(status: int):
    async with connected(answering(status, [], b"")) as client:
        (written,) = await client.ask(GET)
        assert written.startswith(b"HTTP/1.1 %d " % status)
        assert written.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_head", "headers"),
    [
        (GET, [(b"connection", b"close")]),
        (GET, [(b"x-first", b"1"), (b"Connection", b"x, Close")]),
        (GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), []),
        (GET.replace(b"HTTP/1.1", b"HTTP/1.0"), []),
    ],
    ids=["we want to", "we want to, otherwise written", "the client wants to", "an old client"],
)
async def test_a_connection_that_ends_is_said_to(request_head: bytes, headers: list[tuple[bytes, bytes]]):
    async with connected(answering(200, [*headers, (b"content-length", b"0")], b"")) as client:
        (written,) = await client.ask(request_head)
        assert written.lower().count(b"\r\nconnection: ") == 1
        assert client.closed


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb", b"a\rb\nc", b"a\n\r", b"a\x00b", b"a\x7fb"])
async def test_a_header_cannot_bring_another_one(value: bytes):
    async with connected(answering(200, [(b"x-name", value), (b"content-length", b"0")], b"")) as client:
        written = b"".join(await client.ask(GET))
        assert written.startswith(b"HTTP/1.1 500 ")
        assert b"x-name" not in written


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"1")], [(b"content-length", b"3")]])
async def test_an_answer_is_as_long_as_it_says(headers: list[tuple[bytes, bytes]]):
    async with connected(answering(200, headers, b"ok")) as client:
        written = b"".join(await client.ask(GET))
        assert written.startswith(b"HTTP/1.1 500 ")
        assert client.closed


async def test_a_slow_reader_is_waited_for():
    async with connected(answering(*OK)) as client:
        client.protocol.pause_writing()
        assert await client.ask(GET) == []
        client.protocol.resume_writing()
        assert b"".join(await client.ask()).endswith(b"\r\n\r\nok")


async def test_nothing_is_written_to_a_client_that_left():
    left = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await left.wait()
        await scope[ANSWER](*OK)

    async with connected(app) as client:
        assert await client.ask(GET) == []
        client.protocol.connection_lost(None)
        left.set()
        assert await client.ask() == []


class Bodies:
    """Answers with the body, taken at hand or received, and notes which."""

    def __init__(self) -> None:
        self.ways: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        whole: bytes | None = scope[BODY_AT_HAND]()
        self.ways.append("received" if whole is None else "at hand")
        body = whole or b""
        if whole is None:
            more = True
            while more:
                message = await receive()
                body += message["body"]
                more = message["more_body"]
        await scope[ANSWER](200, [(b"content-length", b"%d" % len(body))], body)


async def test_a_body_that_came_with_its_head_is_taken():
    app = Bodies()
    async with connected(app) as client:
        for content in (b"hello", b"again"):
            (written,) = await client.ask(POST + content)
            assert written.endswith(content)
        (written,) = await client.ask(GET)
        assert written.endswith(b"content-length: 0\r\n\r\n")
    assert app.ways == ["at hand"] * 3


async def test_one_of_which_more_is_to_come_is_received():
    app = Bodies()
    async with connected(app) as client:
        await client.ask(POST + b"he")
        (written,) = await client.ask(b"llo")
        assert written.endswith(b"hello")
    assert app.ways == ["received"]


async def test_who_waits_for_leave_to_send_is_given_it():
    app = Bodies()
    async with connected(app) as client:
        written = await client.ask(POST.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n") + b"hello")
        assert b"".join(written).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_requests_that_are_over_are_no_garbage():
    async with connected(Bodies()) as client:
        await client.ask(POST + b"first")
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await client.ask(POST + b"hello")
            assert gc.collect() < 20
        finally:
            gc.enable()


async def test_what_a_scope_lends_ends_with_its_request():
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await scope[ANSWER](*OK)

    async with connected(app) as client:
        await client.ask(GET)
        await client.ask(GET)
        with pytest.raises(RuntimeError, match="the request is over"):
            scopes[0][BODY_AT_HAND]()
