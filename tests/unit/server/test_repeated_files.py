"""Requests that come again and are answered out of a file, on real connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import reached
from tests.support.web_server import client_of, web_server

from roadstead.registry.repeats import REPEAT, Repeated
from roadstead.server import sending
from roadstead.server.http import PatientHttpProtocol
from roadstead.server.repeats import Repeats
from roadstead.server.serving import HttpServer

SIZE = 24 << 20
"""More than the buffers of a connection take."""
ASKED = b"GET /v2/web/blobs/sha256:%d HTTP/1.1\r\nhost: x\r\n\r\n"


class Files:
    """Answers `…:N` with a file from byte N on: the first time in words, and then out of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.anew = 0
        self.given = 0
        self.announced = SIZE

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.anew += 1
        start = int(scope["path"].rpartition(":")[2])
        body = self.path.read_bytes()[start:]
        scope.get(REPEAT, lambda _: None)(lambda: self._again(start))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    def _again(self, start: int) -> Repeated:
        self.given += 1
        length = self.announced - start
        return Repeated((b"content-length: %d\r\n\r\n" % length,), os.open(self.path, os.O_RDONLY), start, length)


class Served:
    """A server of files and one of its clients."""

    def __init__(self, server: HttpServer, client: socket.socket) -> None:
        self.server = server
        self.client = client

    @property
    def protocol(self) -> PatientHttpProtocol:
        """The server's end of the client's connection."""
        (protocol,) = self.server.server_state.connections
        assert isinstance(protocol, PatientHttpProtocol)
        return protocol

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.client, data)

    async def ask_again(self) -> None:
        """Ask for the whole file, which is given anew, and once more."""
        await self.send(ASKED % 0)
        await self.answered()
        await self.send(ASKED % 0)

    async def answer(self, pause: float = 0.0) -> bytes:
        """The body of an answer, as far as it comes."""
        loop, received = asyncio.get_running_loop(), b""
        while b"\r\n\r\n" not in received:
            received += await loop.sock_recv(self.client, 1)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        size = int(received.rpartition(b"content-length: ")[2].split(b"\r\n")[0])
        body = bytearray()
        with contextlib.suppress(ConnectionError):
            while len(body) < size and (chunk := await loop.sock_recv(self.client, min(1 << 18, size - len(body)))):
                body += chunk
                await asyncio.sleep(pause)
        return bytes(body)

    async def answered(self) -> bytes:
        """The last answer, once the server is done with it too: what comes again before that is answered anew."""
        found, protocol = await self.answer(), self.protocol
        await reached(lambda: not protocol._unanswered and not protocol.flow.write_paused)
        return found


@contextlib.asynccontextmanager
async def served(files: Files, stall: float = 60.0) -> AsyncGenerator[Served]:
    protocol = type("Protocol", (PatientHttpProtocol,), {"repeats": Repeats(), "stall_seconds": stall})
    async with web_server(files, protocol) as (server, address), client_of(address) as client:
        yield Served(server, client)


def open_files(path: Path) -> int:
    """How many of this process's descriptors are of a file."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += descriptor.readlink() == path
    return found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    path = tmp_path / "content"
    path.write_bytes(os.urandom(SIZE))
    return Files(path)


async def test_the_whole_file_comes_and_the_connection_goes_on(files: Files) -> None:
    expected = files.path.read_bytes()
    async with served(files) as it:
        for start in (0, SIZE - (1 << 20), SIZE - 1, SIZE):
            for _ in range(3):
                await it.send(ASKED % start)
                assert await it.answered() == expected[start:]
        assert (files.anew, files.given) == (4, 8)
        assert open_files(files.path) == 0


async def test_what_a_client_sends_meanwhile_is_answered_behind(files: Files) -> None:
    expected = files.path.read_bytes()
    async with served(files) as it:
        await it.ask_again()
        await reached(lambda: files.given == 1)
        await it.send((ASKED % 5)[:30])
        await it.send((ASKED % 5)[30:] + ASKED % 0)
        for start in (0, 5):
            assert await it.answer() == expected[start:]
        assert await it.answered() == expected
        await it.send(ASKED % 0)
        assert await it.answer() == expected
        assert (files.anew, files.given) == (3, 2)


async def test_a_slow_reader_gets_everything(files: Files) -> None:
    async with served(files) as it:
        await it.ask_again()
        assert await it.answer(pause=0.01) == files.path.read_bytes()


async def test_one_who_reads_nothing_is_cut_off(files: Files) -> None:
    async with served(files, stall=1.0) as it:
        await it.ask_again()
        await reached(lambda: open_files(files.path) == 1)
        await reached(lambda: open_files(files.path) == 0)
        assert len(await it.answer()) < SIZE


async def test_one_who_leaves_ends_it(files: Files) -> None:
    async with served(files) as it:
        await it.ask_again()
        await reached(lambda: open_files(files.path) == 1)
        it.client.close()
        await reached(lambda: open_files(files.path) == 0 and not it.server.server_state.tasks)


async def test_a_file_that_is_shorter_than_was_said_breaks_the_connection_off(files: Files) -> None:
    async with served(files) as it:
        await it.send(ASKED % 0)
        await it.answered()
        files.announced += 1
        await it.send(ASKED % 0)
        assert await it.answer() == files.path.read_bytes()
        assert await asyncio.get_running_loop().sock_recv(it.client, 1) == b""
        assert open_files(files.path) == 0


async def test_a_server_that_stops_gives_the_answer_to_its_end(files: Files) -> None:
    async with served(files) as it:
        await it.ask_again()
        await reached(lambda: open_files(files.path) == 1)
        it.server.stop()
        assert await it.answer(pause=0.005) == files.path.read_bytes()
        assert await asyncio.get_running_loop().sock_recv(it.client, 1) == b""


async def test_a_connection_is_not_idle_while_it_sends(files: Files) -> None:
    async with served(files) as it:
        await it.ask_again()
        await reached(lambda: open_files(files.path) == 1)
        it.protocol.timeout_keep_alive_handler()
        assert await it.answer() == files.path.read_bytes()


async def test_nothing_follows_half_an_answer_whatever_broke_it_off(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_thread(work: object) -> int:
        raise RuntimeError("can't start new thread")

    async with served(files) as it:
        await it.send(ASKED % 0)
        await it.answered()
        monkeypatch.setattr(sending, "take_turn", no_thread)
        for start in (0, SIZE - 1):
            it.protocol.data_received(ASKED % start)
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.get_running_loop().sock_recv(it.client, 1 << 16):
                received += piece
        assert received.count(b"HTTP/1.1") <= 1
        assert (files.anew, files.given) == (1, 1)
        assert open_files(files.path) == 0


async def test_a_task_that_is_cancelled_before_it_begins_leaves_no_file_open(files: Files) -> None:
    async with served(files) as it:
        await it.send(ASKED % 0)
        await it.answered()
        protocol = it.protocol
        protocol.data_received(ASKED % 0)
        for task in it.server.server_state.tasks:
            task.cancel()
        await reached(lambda: not it.server.server_state.tasks)
        assert open_files(files.path) == 0
        assert protocol.transport.is_closing()


async def test_a_connection_that_is_reset_is_let_go(files: Files) -> None:
    async with served(files) as it:
        await it.send(ASKED % (SIZE - 1))
        await it.answered()
        await it.send(ASKED % (SIZE - 1))
        await it.answered()
        protocol = it.protocol
        assert protocol.timeout_keep_alive_task is not None
        it.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        it.client.close()
        await reached(lambda: not it.server.server_state.connections)
        assert protocol.timeout_keep_alive_task is None, "a timer would keep it for a minute more"
