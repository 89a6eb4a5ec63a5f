"""Manifests and lists of a registry whose connections break in the middle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from roadstead.images.references import Reference
from roadstead.images.registry import connection, source
from roadstead.images.registry.connection import ATTEMPTS, Broken, Connection
from roadstead.images.registry.places import Place
from roadstead.images.registry.source import RegistrySource


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (connection, source):
        monkeypatch.setattr(module, "wait", lambda *_: 0.0)


@asynccontextmanager
async def repository(body: bytes, breaks: int) -> AsyncGenerator[RegistrySource]:
    """A repository of a registry that answers `body` to everything, the first `breaks` times only half of it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal breaks
        await reader.readuntil(b"\r\n\r\n")
        breaks, sent = breaks - 1, body[: len(body) // 2] if breaks > 0 else body
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), sent))
        writer.close()

    async def nobody() -> None:
        return None

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Connection(Place.of_host(host), host, nobody) as registry:
        yield RegistrySource(registry, Reference(host, "web"))


async def test_it_is_asked_again() -> None:
    async with repository(b'{"tags": ["v1"]}', 2) as web:
        assert await web.tags() == ["v1"]
    async with repository(b'{"manifests": []}', 2) as web:
        assert await web.referrers("sha256:" + "0" * 64) == []
    manifest = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    async with repository(manifest, 2) as web:
        (image,) = await web.images(Reference(None, "web", "v1"))
    assert image.root.size == len(manifest)


async def test_one_that_always_breaks_is_named() -> None:
    async with repository(b'{"tags": ["v1"]}', 10 * ATTEMPTS) as web:
        with pytest.raises(Broken, match="the tags of web: the answer breaks off"):
            await web.tags()
