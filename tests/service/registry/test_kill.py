"""kill -9 in the middle of pushes: nothing that was acknowledged is lost, and no part of a blob is ever served."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.service.registry.harness import OCI_MANIFEST, Answer, digest_of, exchange, image_manifest

ROOT = Path(__file__).parents[3]


@dataclass
class Served:
    process: asyncio.subprocess.Process
    port: int
    token: str

    async def http(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> Answer:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {self.token}\r\nConnection: close\r\n"
        )
        head += f"Content-Type: {content_type}\r\n" if content_type else ""
        return await exchange(self.port, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


@asynccontextmanager
async def served(root: Path) -> AsyncGenerator[Served]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.service.registry.served", str(root), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            ready = json.loads(await process.stdout.readline())
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
        registry.process.kill()
        await registry.process.wait()
        writer.close()
    async with served(tmp_path) as registry:
        assert (await registry.http("HEAD", f"/v2/web/blobs/{digest}")).status == 404
        status = await registry.http("GET", place)
        assert status.status == 204
        have = int(status.headers["range"].removeprefix("0-")) + 1
        assert 1_000_000 <= have <= 3_500_000
        assert (await registry.http("PUT", f"{place}?digest={digest}", content[have:])).status == 201
        assert (await registry.http("GET", f"/v2/web/blobs/{digest}")).body == content


async def test_killed_at_any_moment_of_many_pushes(tmp_path: Path) -> None:
    """Pushes images until the server dies; every one that was acknowledged must be whole afterwards."""
    acknowledged: list[str] = []
    enough = asyncio.Event()
    async with served(tmp_path) as registry:

        async def push() -> None:
            for number in range(100_000):
                config, layer = json.dumps({"number": number}).encode(), os.urandom(50_000)
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
        registry.process.kill()
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
