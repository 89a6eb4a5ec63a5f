"""Our HTTP server with an application of a test's own, and a client's connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from typing import Any

import uvicorn

from roadstead.server.http import PatientHttpProtocol
from roadstead.server.serving import HttpServer

Address = tuple[str, int]


class Impatient(PatientHttpProtocol):
    """Cuts off who leaves an answer waiting for half a second."""

    stall_seconds = 0.5


@contextlib.asynccontextmanager
async def web_server(
    app: Any, protocol: type[PatientHttpProtocol], buffer: int | None = None
) -> AsyncGenerator[tuple[HttpServer, Address]]:
    """A server while the context lasts, and its address on the loopback interface. Its connections' send buffers have `buffer` bytes, where given."""
    listener = socket.create_server(("127.0.0.1", 0))
    if buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, timeout_graceful_shutdown=5)
    server = HttpServer(config, _no_links)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield server, listener.getsockname()
    finally:
        server.stop()
        await serving


@contextlib.asynccontextmanager
async def client_of(address: Address, buffer: int | None = None) -> AsyncGenerator[socket.socket]:
    """A connection whose receive buffer has `buffer` bytes, where that is given."""
    with socket.socket() as client:
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, address)
        yield client


async def _no_links() -> None:
    """There are no links to close."""
