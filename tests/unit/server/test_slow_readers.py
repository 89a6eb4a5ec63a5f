"""Clients that ask for much and read little."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from typing import Any

from tests.support.web_server import Impatient, client_of, web_server

from roadstead.server.http import PatientHttpProtocol

SIZE = 32 << 20


class Patient(PatientHttpProtocol):
    stall_seconds = 5.0


async def much(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", str(SIZE).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for start in range(0, SIZE, 1 << 20):
        more = start + (1 << 20) < SIZE
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": more})


@contextlib.asynccontextmanager
async def asking(protocol: type[PatientHttpProtocol]) -> AsyncGenerator[socket.socket]:
    """A client's socket that has asked for everything, with a small buffer of its own."""
    async with web_server(much, protocol) as (_, address), client_of(address, 4096) as client:
        await asyncio.get_running_loop().sock_sendall(client, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        yield client


async def read(client: socket.socket, pause: float = 0.0) -> int:
    """Read to the end, or to everything; how much there was."""
    loop, size = asyncio.get_running_loop(), 0
    with contextlib.suppress(ConnectionError):
        while size < SIZE and (chunk := await loop.sock_recv(client, 1 << 20)):
            size += len(chunk)
            await asyncio.sleep(pause)
    return size


async def test_one_who_reads_nothing_is_cut_off():
    async with asking(Impatient) as client:
        await asyncio.sleep(Impatient.stall_seconds * 4)
        assert await asyncio.wait_for(read(client), 20) < SIZE


async def test_one_who_goes_on_reading_gets_everything():
    async with asking(Patient) as client:
        await asyncio.sleep(Patient.stall_seconds / 10)
        assert await asyncio.wait_for(read(client), 60) >= SIZE
