"""Bytes pass through: what a server holds of a layer does not grow with the layer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from hashlib import sha256
from pathlib import Path

import pytest
from tests.service.registry.test_kill import Served, served
from tests.support.s3 import S3Server, make_bucket

MIB = 1024 * 1024
PIECE = os.urandom(MIB)
PIECES = 256
BOUNDS = {"disk": 64, "s3": 96}
"""MiB: in a bucket, four parts of 8 MiB are on their way at a time, and one is filled."""


def peak(registry: Served) -> int:
    """The most MiB that the server ever had in memory."""
    assert registry.process is not None
    status = Path(f"/proc/{registry.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


async def _exchange(registry: Served, head: str, body: AsyncGenerator[bytes]) -> tuple[str, str, int]:
    """Status line, digest of the answer's body, and how long that is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    common = f"Host: localhost\r\nConnection: close\r\nAuthorization: Basic {registry.token}\r\n"
    writer.write(f"{head}\r\n{common}\r\n".encode())
    async for piece in body:
        writer.write(piece)
        await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n")
    found, size = sha256(), 0
    while piece := await reader.read(MIB):
        found.update(piece)
        size += len(piece)
    writer.close()
    return answer.decode().split("\r\n")[0], found.hexdigest(), size


async def _nothing() -> AsyncGenerator[bytes]:
    for _ in ():
        yield b""


async def _layer() -> AsyncGenerator[bytes]:
    for _ in range(PIECES):
        yield PIECE


@pytest.mark.parametrize("kind", ["disk", "s3"])
async def test_a_large_layer_comes_and_goes_in_little_memory(tmp_path: Path, s3_server: S3Server, kind: str) -> None:
    bucket = ()
    if kind == "s3":
        bucket = (s3_server.endpoint, f"memory-{sha256(str(tmp_path).encode()).hexdigest()[:16]}")
        make_bucket(s3_server, bucket[1])
    whole = sha256()
    for _ in range(PIECES):
        whole.update(PIECE)
    digest = whole.hexdigest()
    async with served(tmp_path, "", *bucket) as registry:
        before = peak(registry)
        post = f"POST /v2/web/blobs/uploads/?digest=sha256:{digest} HTTP/1.1\r\nContent-Length: {PIECES * MIB}"
        assert (await _exchange(registry, post, _layer()))[0].split()[1] == "201"
        get = f"GET /v2/web/blobs/sha256:{digest} HTTP/1.1"
        for status, found, size in await asyncio.gather(*(_exchange(registry, get, _nothing()) for _ in range(2))):
            assert (status.split()[1], found, size) == ("200", digest, PIECES * MIB)
        assert peak(registry) - before < BOUNDS[kind]
