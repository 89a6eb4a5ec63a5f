from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from roadstead.engines.supervise.checks import HttpCheck, NotReady, UnixSocketCheck, always_ready


async def answer(status: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\nid=abc".encode())
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
async def test_http(status: str) -> None:
    server = await asyncio.start_server(lambda r, w: answer(status, r, w), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await HttpCheck("/health", port=port)()


async def test_another_status_is_told_with_the_answer() -> None:
    server = await asyncio.start_server(lambda r, w: answer("503 Busy", r, w), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotReady, match=r"HTTP/1\.1 503 Busy id=abc"):
            await HttpCheck("/health", port=port)()


async def test_another_program_on_our_port_does_not_pass() -> None:
    server = await asyncio.start_server(lambda r, w: answer("200 OK", r, w), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await HttpCheck("/", port=port, holds="id=abc")()
        with pytest.raises(NotReady):
            await HttpCheck("/", port=port, holds="id=other")()


async def test_http_over_a_unix_socket(tmp_path: Path) -> None:
    server = await asyncio.start_unix_server(lambda r, w: answer("200 OK", r, w), tmp_path / "s")
    async with server:
        assert await HttpCheck("/health", socket=tmp_path / "s")()
        assert await UnixSocketCheck(tmp_path / "s")()


async def test_nobody_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await UnixSocketCheck(tmp_path / "s")()


async def test_always_ready() -> None:
    assert await always_ready()
