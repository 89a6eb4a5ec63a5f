"""What happens around the registry: a disk that fills up, a server that is killed, a clock that jumps."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.service.registry.harness import Harness, digest_of, running_registry
from tests.support.mounts import small_tmpfs

from roadstead.server.http import PatientHttpProtocol
from roadstead.services.ecr.api import collect_garbage, expire_uploads


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB. Needs root."""
    with small_tmpfs(tmp_path / "small", mebibytes=8) as place:
        yield place


async def test_a_full_disk_is_said_and_passes(small_disk: Path) -> None:
    async with running_registry(small_disk) as registry:
        await registry.create_repository("web")
        large = os.urandom(12 * 1024 * 1024)
        answer = await registry.http("POST", f"/v2/web/blobs/uploads/?digest={digest_of(large)}", large)
        assert answer.status == 507
        assert "no space left" in answer.body.decode()
        assert (await registry.http("HEAD", f"/v2/web/blobs/{digest_of(large)}")).status == 404
        assert not list((small_disk / "blobs" / "uploads").iterdir())
        await registry.push_image("web", "latest")
        assert (await registry.http("GET", "/v2/web/manifests/latest")).status == 200


async def test_an_upload_goes_on_in_the_next_server(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    digest = digest_of(content)
    async with running_registry(tmp_path) as registry:
        await registry.create_repository("web")
        place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
        assert (await registry.http("PATCH", place, content[:2_000_000])).status == 202
        token = await registry.token()
    async with running_registry(tmp_path, fresh=False) as registry:
        status = await registry.http("GET", place, token=token)
        assert (status.status, status.headers["range"]) == (204, "0-1999999")
        done = await registry.http("PUT", f"{place}?digest={digest}", content[2_000_000:], token=token)
        assert done.status == 201
        assert (await registry.http("GET", f"/v2/web/blobs/{digest}", token=token)).body == content


@pytest.mark.parametrize("sent", ["by file", "in pieces"])
async def test_a_blob_that_became_shorter_breaks_the_answer_off(tmp_path: Path, sent: str) -> None:
    content = os.urandom(3_000_000)
    async with running_registry(tmp_path) as registry:
        await registry.create_repository("web")
        digest = await registry.push_blob("web", content)
        path = registry.blobs.local_path(await registry.location("web", digest))
        assert path is not None
        os.truncate(path, 2_000_000)
        if sent == "in pieces":
            registry.blobs.local_path = lambda location: None
        with capture_logs() as logs:
            answer = await registry.http("GET", f"/v2/web/blobs/{digest}")
        assert (answer.status, answer.headers["content-length"]) == (200, "3000000")
        assert content.startswith(answer.body)
        assert len(answer.body) <= 2_000_000
        (told,) = [line for line in logs if line["event"] == "the content of a blob is broken off"]
        assert digest in told["path"]
        assert (await registry.http("GET", "/v2/")).status == 200


async def test_a_clock_that_goes_back_locks_nobody_out(registry: Harness) -> None:
    await registry.create_repository("web")
    await registry.push_image("web", "latest")
    token = await registry.token()
    assert (await registry.http("GET", "/v2/web/manifests/latest", token=token)).status == 200
    registry.clock.offset = timedelta(days=-3)
    assert (await registry.http("GET", "/v2/web/manifests/latest", token=token)).status == 200
    assert await registry.pulls.moments.flush() >= 1


async def test_a_layer_url_by_a_clock_that_goes_back_and_forth(registry: Harness) -> None:
    """It is good for an hour from when it was given, and no longer, wherever the clock was meanwhile."""
    await registry.create_repository("web")
    await registry.push_image("web", "latest")
    layer = (await registry.http("GET", "/v2/web/manifests/latest")).json["layers"][0]["digest"]
    asked = {"repositoryName": "web", "layerDigest": layer}

    async def url() -> str:
        given = str((await registry.api("GetDownloadUrlForLayer", asked))["downloadUrl"])
        return given[given.index("/v2/") :]

    async def status(ticket: str) -> int:
        return (await registry.http("GET", ticket, token=None)).status

    first = await url()
    registry.clock.offset = timedelta(days=-3)
    assert await status(first) == 200
    second = await url()
    registry.clock.offset = timedelta(minutes=59)
    assert (await status(first), await status(second)) == (200, 403)
    registry.clock.offset = timedelta(minutes=61)
    assert await status(first) == 403
    assert await status(await url()) == 200


async def test_uploads_that_were_left_alone_go(registry: Harness) -> None:
    await registry.create_repository("web")
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    await registry.http("PATCH", place, b"abc")
    assert await expire_uploads(registry.storage, registry.clock.now()) == 0
    assert (await registry.http("GET", place)).status == 204
    registry.clock.offset = timedelta(hours=25)
    assert await expire_uploads(registry.storage, registry.clock.now()) == 1
    assert (await registry.http("GET", place)).error == "BLOB_UPLOAD_UNKNOWN"


async def test_a_client_that_pauses_for_too_long(registry: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    from roadstead.registry import http

    monkeypatch.setattr(http, "RECEIVE_SECONDS", 0.2)
    monkeypatch.setattr(http, "LINGER_SECONDS", 0.2)
    await registry.create_repository("web")
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    for path in (place, f"/v2/web/blobs/uploads/?digest={digest_of(b'x' * 100)}"):
        method = "PATCH" if path == place else "POST"
        slow = await registry.http(method, path, b"x" * 10, {"Content-Length": "100"})
        assert slow.status == 408
        assert slow.headers["connection"] == "close"
    assert (await registry.http("GET", place)).headers["range"] == "0-9"

    monkeypatch.setattr(PatientHttpProtocol, "pause_seconds", 0.2)
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    slow = await registry.http("PATCH", place, b"x" * 500_000, {"Content-Length": "1000000"})
    assert (slow.status, slow.headers["connection"]) == (408, "close")
    assert (await registry.http("GET", place)).headers["range"] == "0-499999", "what came stays"


async def test_deleted_while_it_is_pulled(registry: Harness) -> None:
    await registry.create_repository("web")
    content = os.urandom(30_000_000)
    digest = await registry.push_blob("web", content)
    head = f"GET /v2/web/blobs/{digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {await registry.token()}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(f"{head}Connection: close\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    location = await registry.location("web", digest)
    assert (await registry.http("DELETE", f"/v2/web/blobs/{digest}")).status == 202
    await collect_garbage(registry.storage, registry.store.run, timedelta())
    assert await registry.blobs.stat(location) is None
    assert await reader.read(-1) == content
    writer.close()
    assert (await registry.http("GET", f"/v2/web/blobs/{digest}")).status == 404
