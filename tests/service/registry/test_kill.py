"""kill -9 in the middle of pushes: nothing that was acknowledged is lost, and no part of a blob is ever served."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from obstore.store import S3Store
from tests.service.registry.dying import AFTER_BYTES
from tests.service.registry.harness import (
    OCI_MANIFEST,
    Answer,
    digest_of,
    exchange,
    image_manifest,
    running_registry,
)
from tests.support.s3 import S3Server, make_bucket

from roadstead.services.ecr.api import collect_garbage, expire_uploads
from roadstead.store.blobs import DiskBlobStore
from roadstead.store.blobs.s3 import PART

ROOT = Path(__file__).parents[3]
CONFIG = b'{"os":"linux"}'
LAST_CHUNK = 1000
"""How much of a layer comes in a chunk of its own."""


@dataclass
class Served:
    process: asyncio.subprocess.Process | None
    port: int
    token: str

    async def http(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> Answer:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {self.token}\r\nConnection: close\r\n"
        )
        head += f"Content-Type: {content_type}\r\n" if content_type else ""
        return await exchange(self.port, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def kill(registry: Served) -> None:
    assert registry.process is not None
    registry.process.kill()
    await registry.process.wait()


@asynccontextmanager
async def served(root: Path, moment: str | None = None, *bucket: str) -> AsyncGenerator[Served]:
    module = ["tests.service.registry.served"] if moment is None else ["tests.service.registry.dying"]
    arguments = [str(root)] if moment is None else [str(root), moment, *bucket]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            while not (line := await process.stdout.readline()).startswith(b"{"):  # what it logs on its way
                assert line, "the registry did not start"
            ready = json.loads(line)
        yield Served(process, ready["port"], ready["token"])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_while_a_chunk_arrives(tmp_path: Path) -> None:
    content = os.urandom(4_000_000)
    digest = digest_of(content)
    async with served(tmp_path) as registry:
        place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
        assert (await registry.http("PATCH", place, content[:1_000_000])).status == 202
        _, writer = await asyncio.open_connection("127.0.0.1", registry.port)
        head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {registry.token}\r\n"
        writer.write(f"{head}Content-Length: 3000000\r\n\r\n".encode() + content[1_000_000:3_500_000])
        await writer.drain()
        await _grown(tmp_path / "blobs" / "uploads", 1_000_000)
        await kill(registry)
        writer.close()
    async with served(tmp_path) as registry:
        assert (await registry.http("HEAD", f"/v2/web/blobs/{digest}")).status == 404
        status = await registry.http("GET", place)
        assert status.status == 204
        have = int(status.headers["range"].removeprefix("0-")) + 1
        assert 1_000_000 < have <= 3_500_000, "what came of the chunk is there"
        assert (await registry.http("PUT", f"{place}?digest={digest}", content[have:])).status == 201
        assert (await registry.http("GET", f"/v2/web/blobs/{digest}")).body == content


async def _grown(uploads: Path, claimed: int) -> None:
    """Wait until the file of the one upload has more than it claims."""
    deadline = time.monotonic() + 30
    while sum(upload.stat().st_size for upload in uploads.iterdir()) <= claimed:
        assert time.monotonic() < deadline, "nothing of the chunk came"
        await asyncio.sleep(0.005)


ON_DISK = ("create_upload", "append", "seal", "commit", "manifest")
IN_A_BUCKET = ("append", "_put", "seal", "_whole", "_forget", "commit")
"""Uploads begin, and manifests are stored, in the database alone."""


def moments(names: Sequence[str]) -> list[str]:
    return [*(f"{when}:{name}" for name in names for when in ("before", "after")), "in:chunk", "after:published"]


@pytest.mark.parametrize("moment", moments(ON_DISK))
async def test_killed_in_every_phase_of_a_push(tmp_path: Path, moment: str) -> None:
    layer, uploads = os.urandom(2_500_000), tmp_path / "blobs" / "uploads"
    await _killed(tmp_path, moment, layer)
    if moment == "in:chunk":
        (left,) = uploads.iterdir()
        assert AFTER_BYTES[DiskBlobStore] < left.stat().st_size < len(layer) - LAST_CHUNK, "it died within the chunk"
    await _back(tmp_path, layer)
    assert not list(uploads.iterdir())


@pytest.mark.parametrize("moment", moments(IN_A_BUCKET))
async def test_killed_in_every_phase_of_a_push_to_s3(tmp_path: Path, s3_server: S3Server, moment: str) -> None:
    name = f"kill-{sha256(str(tmp_path).encode()).hexdigest()[:16]}"
    bucket = make_bucket(s3_server, name)
    layer = os.urandom(PART + 3_000_000)
    await _killed(tmp_path, moment, layer, s3_server.endpoint, name)
    await _back(tmp_path, layer, bucket)


async def _killed(root: Path, moment: str, layer: bytes, *bucket_name: str) -> None:
    """A push during which the server dies."""
    async with served(root, moment, *bucket_name) as registry:
        with pytest.raises((OSError, asyncio.IncompleteReadError, IndexError)):
            await _push(registry, layer)
        assert registry.process is not None
        assert await registry.process.wait() == -9


async def _back(root: Path, layer: bytes, bucket: S3Store | None = None) -> None:
    """No part of a blob is served, a push from the beginning succeeds, and what the dead server left goes in the end."""
    async with running_registry(root, fresh=False, bucket=bucket) as registry:
        for content in (layer, CONFIG):
            found = await registry.http("GET", f"/v2/web/blobs/{digest_of(content)}")
            assert found.status == 404 or found.body == content
        assert (await registry.http("GET", "/v2/web/manifests/latest")).status == 404
        served_now = Served(None, registry.port, await registry.token())
        await _push(served_now, layer)
        assert (await registry.http("GET", f"/v2/web/blobs/{digest_of(layer)}")).body == layer
        registry.clock.offset = timedelta(days=3)
        await expire_uploads(registry.storage, registry.clock.now())
        await collect_garbage(registry.storage, registry.store.run, timedelta(days=1), leftovers=True)
        registry.clock.offset += registry.blobs.linger + timedelta(minutes=1)
        await collect_garbage(registry.storage, registry.store.run, timedelta(days=1))
        checked = await registry.api("CheckRegistry", {}, service="roadstead")
        assert (checked["findings"], checked["contents"]) == ([], 2)
        assert len([info async for info in registry.blobs.list()]) == 2


async def _push(registry: Served, layer: bytes) -> None:
    """As docker pushes: the layer in chunks and a closing request, the config in one request."""
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    for chunk in (layer[:-LAST_CHUNK], layer[-LAST_CHUNK:]):
        assert (await registry.http("PATCH", place, chunk)).status == 202
    assert (await registry.http("PUT", f"{place}?digest={digest_of(layer)}")).status == 201
    path = f"/v2/web/blobs/uploads/?digest={digest_of(CONFIG)}"
    assert (await registry.http("POST", path, CONFIG)).status == 201
    manifest = image_manifest(CONFIG, [layer])
    assert (await registry.http("PUT", "/v2/web/manifests/latest", manifest, OCI_MANIFEST)).status == 201


async def test_killed_at_any_moment_of_many_pushes(tmp_path: Path) -> None:
    """Pushes images until the server dies; every one that was acknowledged must be whole afterwards."""
    acknowledged: list[str] = []
    enough = asyncio.Event()
    async with served(tmp_path) as registry:

        async def push() -> None:
            for number in range(100_000):
                config, layer = json.dumps({"number": number}).encode(), os.urandom(50_000 if number % 2 else 400_000)
                for content in (config, layer):
                    path = f"/v2/web/blobs/uploads/?digest={digest_of(content)}"
                    assert (await registry.http("POST", path, content)).status == 201
                manifest = image_manifest(config, [layer])
                path = f"/v2/web/manifests/n{number}"
                assert (await registry.http("PUT", path, manifest, OCI_MANIFEST)).status == 201
                acknowledged.append(digest_of(manifest))
                if len(acknowledged) == 10:
                    enough.set()

        pushing = asyncio.create_task(push())
        reached = asyncio.create_task(enough.wait())
        await asyncio.wait([pushing, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        await kill(registry)
        await asyncio.wait([pushing])
        assert isinstance(pushing.exception(), OSError | asyncio.IncompleteReadError)
    async with served(tmp_path) as registry:
        tags = (await registry.http("GET", "/v2/web/tags/list")).json["tags"]
        assert len(acknowledged) >= 10
        assert {f"n{number}" for number in range(len(acknowledged))} <= set(tags)
        for tag in tags:
            manifest = (await registry.http("GET", f"/v2/web/manifests/{tag}")).json
            for part in [manifest["config"], *manifest["layers"]]:
                blob = await registry.http("GET", f"/v2/web/blobs/{part['digest']}")
                assert (blob.status, digest_of(blob.body)) == (200, part["digest"])
