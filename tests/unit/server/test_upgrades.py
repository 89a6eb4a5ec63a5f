"""Websockets begin on connections of our HTTP protocol, the first request or a later one."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.http_connection import connected

from roadstead.kernel.asgi import ANSWER, BODY_AT_HAND
from roadstead.registry.http import RECEIVE_BODY, SEND_FILE

GET = b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class App:
    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            await scope[ANSWER](200, [(b"content-length", b"0")], b"")
            return
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await receive()


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_websocket_is_accepted(before: int):
    app = App()
    async with connected(app) as client:
        for _ in range(before):
            await client.ask(GET)
        written = b"".join(await client.ask(UPGRADE))
        assert written.startswith(b"HTTP/1.1 101 ")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in written
        assert client.successor is not None
        scope = app.scopes[-1]
        assert (scope["type"], scope["path"]) == ("websocket", "/ws")
        assert not {ANSWER, BODY_AT_HAND, SEND_FILE, RECEIVE_BODY} & set(scope)
        client.successor.connection_lost(None)
        await client.ask()


async def test_a_fault_of_ours_is_told_of(monkeypatch: pytest.MonkeyPatch):
    async with connected(App()) as client:
        monkeypatch.setattr(client.protocol, "_length_of_large_body", lambda: 1 / 0)
        with capture_logs() as logs:
            written = b"".join(await client.ask(GET))
        assert written.startswith(b"HTTP/1.1 400 ")
        assert [(each["event"], type(each["exc_info"])) for each in logs] == [
            ("a request could not be taken", ZeroDivisionError)
        ]


async def test_one_of_the_client_s_is_not():
    async with connected(App()) as client:
        with capture_logs() as logs:
            written = b"".join(await client.ask(b"\0\0 nonsense\r\n\r\n"))
        assert written.startswith(b"HTTP/1.1 400 ")
        assert logs == []
