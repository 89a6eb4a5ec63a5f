"""What a server that stops still says to those who are connected."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn

from roadstead.server import serving as stopping
from roadstead.server.http import PatientHttpProtocol
from roadstead.server.serving import HttpServer

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    while message["more_body"]:
        message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def test_an_answer_while_links_are_closed_closes_its_connection(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stopping, "LINKS_SECONDS", 60.0)
    closing, closed = asyncio.Event(), asyncio.Event()

    async def close_links() -> None:
        closing.set()
        await closed.wait()

    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    config = uvicorn.Config(
        echo, http=PatientHttpProtocol, lifespan="off", log_config=None, timeout_graceful_shutdown=5
    )
    server = HttpServer(config, close_links)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection(*address[:2])
    idle, to_idle = await asyncio.open_connection(*address[:2])
    writer.write(REQUEST)
    to_idle.write(REQUEST + b"a")
    assert b"connection" not in (await idle.readuntil(b"\r\n\r\n")).lower()

    server.stop()
    await asyncio.wait_for(closing.wait(), 5)
    assert await asyncio.wait_for(idle.read(), 5) == b"", "a connection without a request is closed"
    writer.write(b"a")
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()

    closed.set()
    await asyncio.wait_for(serving, 5)
    writer.close()
    to_idle.close()
