"""Files that go from the kernel's memory to a client's connection."""

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
from tests.support.web_server import Impatient, client_of, web_server

from roadstead.registry.http import SEND_FILE, ClientGone
from roadstead.server.http import PatientHttpProtocol
from roadstead.server.sending import PART, is_in_memory, send_part, send_with_more

SIZE = 24 << 20
ASKED = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n"


class Files:
    """Answers `/N` with a file from byte N on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.announced = SIZE
        self.ended: asyncio.Queue[BaseException | None] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        start = int(scope["path"][1:])
        headers = [(b"content-length", b"%d" % (self.announced - start))]
        file = os.open(self.path, os.O_RDONLY)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await scope[SEND_FILE](file, start, self.announced - start)
            await send({"type": "http.response.body", "body": b""})
        except BaseException as error:
            self.ended.put_nowait(error)
            if not isinstance(error, ClientGone):
                raise
        else:
            self.ended.put_nowait(None)
        finally:
            os.close(file)


@contextlib.asynccontextmanager
async def asking(
    files: Files, buffer: int | None = None, protocol: type[PatientHttpProtocol] = PatientHttpProtocol
) -> AsyncGenerator[socket.socket]:
    """A client's connection, and the server's end, with buffers of so many bytes."""
    async with web_server(files, protocol, buffer) as (_, address), client_of(address, buffer) as client:
        yield client


async def send(client: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(client, data)


async def read_answer(client: socket.socket, size: int, pause: float = 0.0) -> bytes:
    """The body of an answer, as far as there is one."""
    loop, received = asyncio.get_running_loop(), b""
    while b"\r\n\r\n" not in received:
        received += await loop.sock_recv(client, 1)
    body = bytearray()
    with contextlib.suppress(ConnectionError):
        while len(body) < size and (chunk := await loop.sock_recv(client, min(1 << 20, size - len(body)))):
            body += chunk
            await asyncio.sleep(pause)
    return bytes(body)


def open_files() -> set[str]:
    """The names of this process's descriptors."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(os.urandom(SIZE))
    return path


async def test_the_whole_file_comes_and_the_connection_goes_on(content: Path):
    expected = content.read_bytes()
    async with asking(Files(content)) as client:
        for start in (0, 5, SIZE - 1, SIZE):
            await send(client, ASKED % start)
            assert await read_answer(client, SIZE - start) == expected[start:]


async def test_the_head_comes_together_with_what_follows(content: Path):
    expected = content.read_bytes()
    async with asking(Files(content)) as client:
        await send(client, ASKED % (SIZE - 9))
        received = await asyncio.get_running_loop().sock_recv(client, 1 << 16)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"\r\n\r\n" + expected[-9:])


def test_a_socket_that_is_full_takes_nothing_more():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        assert send_with_more(ours.fileno(), b"") == 0
        assert send_with_more(ours.fileno(), b"head") == 4
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(1 << 16))
        assert send_with_more(ours.fileno(), b"head") == 0
        assert theirs.recv(4) == b"head"
        theirs.close()
        with pytest.raises(ConnectionError):
            send_with_more(ours.fileno(), b"head")


async def test_requests_at_once_are_answered_in_their_order(content: Path):
    expected = content.read_bytes()
    async with asking(Files(content)) as client:
        await send(client, ASKED % 3 + ASKED % (SIZE - 9))
        assert await read_answer(client, SIZE - 3) == expected[3:]
        assert await read_answer(client, 9) == expected[-9:]


async def test_a_slow_reader_gets_everything(content: Path):
    async with asking(Files(content), buffer=64 * 1024) as client:
        await send(client, ASKED % 0)
        assert await asyncio.wait_for(read_answer(client, SIZE, pause=0.002), 60) == content.read_bytes()


async def test_one_who_reads_nothing_is_cut_off(content: Path):
    files = Files(content)
    async with asking(files, buffer=4096, protocol=Impatient) as client:
        before = open_files()
        await send(client, ASKED % 0)
        assert isinstance(await asyncio.wait_for(files.ended.get(), 20), ClientGone)
        assert len(await asyncio.wait_for(read_answer(client, SIZE), 20)) < SIZE
        assert open_files() <= before


async def test_one_who_leaves_ends_it_and_leaves_nothing_open(content: Path):
    files = Files(content)
    async with asking(files, buffer=4096) as client:
        await send(client, ASKED % 0)
        await asyncio.get_running_loop().sock_recv(client, 100)
        client.close()
        assert isinstance(await asyncio.wait_for(files.ended.get(), 20), ClientGone)
    assert not [fd for fd in open_files() if str(content) == _target(fd)]


async def test_a_reset_while_the_head_waits_is_a_client_that_left(content: Path):
    files = Files(content)
    files.announced = 1  # next to nothing but heads
    async with asking(files, buffer=4096) as client:
        answered = 0
        with contextlib.suppress(TimeoutError):  # until an answer's head finds no room
            while True:
                await send(client, ASKED % 0)
                assert await asyncio.wait_for(files.ended.get(), 0.5) is None
                answered += 1
        assert answered
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        ended: BaseException | None = None
        while ended is None:  # those that were slow, and then the one that waits
            ended = await asyncio.wait_for(files.ended.get(), 10)
        assert isinstance(ended, ClientGone)


async def test_a_file_that_is_shorter_than_was_said_breaks_the_connection_off(content: Path):
    files = Files(content)
    files.announced = SIZE + 1
    async with asking(files) as client:
        await send(client, ASKED % 0)
        assert len(await asyncio.wait_for(read_answer(client, SIZE + 1), 20)) <= SIZE
        assert isinstance(await files.ended.get(), EOFError)


async def test_what_is_not_in_memory_is_read_by_a_thread(content: Path):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs, content.open("rb") as file:
        assert is_in_memory(file.fileno(), 0, SIZE) or _keeps_everything(content)  # which may not be able to tell
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        still = is_in_memory(file.fileno(), 0, PART)
        sent = await send_part(ours.fileno(), file.fileno(), 7, PART)
        assert 0 < sent <= PART
        assert theirs.recv(100) == content.read_bytes()[7:107]
        assert not still or _keeps_everything(content)


def _keeps_everything(path: Path) -> bool:
    """Whether the file system has no other place than memory."""
    return path.stat().st_dev == Path("/dev/shm").stat().st_dev


def _target(fd: str) -> str:
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink())
    except FileNotFoundError:  # the directory that was listed
        return ""
