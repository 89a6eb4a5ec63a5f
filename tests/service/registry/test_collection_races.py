"""Garbage collection at the worst moment: with no grace, while uploads are open, and between a blob's being found and its being promised."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.service.registry.harness import Harness, digest_of, image_manifest
from tests.support.server_process import server_process

from roadstead.core.registry.collection import DEFAULT_GRACE
from roadstead.registry import blobs as registry_blobs
from roadstead.services.ecr import collection, layers

WEB = {"repositoryName": "web"}


@pytest.mark.parametrize("back", [timedelta(), timedelta(hours=1)])
async def test_without_grace_it_ends_while_an_upload_is_open(
    web: Harness, monkeypatch: pytest.MonkeyPatch, back: timedelta
) -> None:
    """What the upload holds is noted anew, and is as old as nothing at once; by a clock that is set back meanwhile, for an hour."""
    monkeypatch.setattr(collection, "_PAGE", 2)
    place = (await web.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    for number in range(5):
        await web.push_blob("web", b"%d" % number)
    web.clock.offset += timedelta(seconds=1)
    release = collection.release_links

    async def then_the_clock_is_set_back(*args: Any, **more: Any) -> collection.Step:
        step = await release(*args, **more)
        web.clock.offset = timedelta(seconds=1) - back
        return step

    monkeypatch.setattr(collection, "release_links", then_the_clock_is_set_back)
    async with asyncio.timeout(20):
        done = await web.api("CollectRegistryGarbage", {"graceSeconds": 0}, service="roadstead")
    assert done["links"] == 0, "the upload may need them"
    for number in range(5):
        assert (await web.http("HEAD", f"/v2/web/blobs/{digest_of(b'%d' % number)}")).status == 200
    assert (await web.http("DELETE", place)).status == 204
    monkeypatch.undo()
    web.clock.offset += timedelta(hours=2)
    async with asyncio.timeout(20):
        done = await web.api("CollectRegistryGarbage", {"graceSeconds": 0}, service="roadstead")
    assert done["links"] == 5


def test_the_command_without_grace_ends_while_an_upload_is_open(tmp_path: Path, store_url: str) -> None:
    database = store_url if store_url.startswith("postgres") else None
    with server_process(tmp_path / "data", database=database) as server:
        server.start()
        ecr = server.client("ecr")
        ecr.create_repository(repositoryName="web")
        content = b"a layer that no image has"
        _, upload = (ecr.initiate_layer_upload(repositoryName="web")["uploadId"] for _ in range(2))
        part = {"partFirstByte": 0, "partLastByte": len(content) - 1, "layerPartBlob": content}
        ecr.upload_layer_part(repositoryName="web", uploadId=upload, **part)
        ecr.complete_layer_upload(repositoryName="web", uploadId=upload, layerDigests=[digest_of(content)])
        command = [sys.executable, "-m", "roadstead", "registry", "gc", "--grace", "0", "--data", str(server.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert "0 links and 0 blobs went" in done.stdout


def collecting_before_the_promise(ecr: Harness, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """Everything that nothing refers to is collected after `module` has found blobs, and before it notes that it tells of them."""

    async def racing(*args: Any) -> Any:
        await collection.collect_garbage(ecr.storage, ecr.store.run, timedelta(days=1))
        return await collection.keep_for_push(*args)

    monkeypatch.setattr(module, "keep_for_push", racing)


async def test_a_head_tells_of_no_blob_that_is_collected_meanwhile(
    web: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await web.push_blob("web", b"{}")
    layer = await web.push_blob("web", b"layer")
    web.clock.offset += timedelta(days=5)
    collecting_before_the_promise(web, monkeypatch, registry_blobs)
    assert (await web.http("HEAD", f"/v2/web/blobs/{layer}")).status == 404
    await web.push_blob("web", b"layer")
    assert (await web.http("HEAD", f"/v2/web/blobs/{layer}")).status == 200
    await web.push_blob("web", b"{}")
    assert (await web.push_manifest("web", "v1", image_manifest(b"{}", [b"layer"]))).status == 201


async def test_what_an_image_claims_meanwhile_is_not_gone(web: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its note is taken away by the image, not by garbage collection."""
    for content in (b"{}", b"layer"):
        await web.push_blob("web", content)
    web.clock.offset += DEFAULT_GRACE / 2

    async def racing(*args: Any) -> Any:
        assert (await web.push_manifest("web", "v1", image_manifest(b"{}", [b"layer"]))).status == 201
        return await collection.keep_for_push(*args)

    monkeypatch.setattr(registry_blobs, "keep_for_push", racing)
    assert (await web.http("HEAD", f"/v2/web/blobs/{digest_of(b'layer')}")).status == 200


async def test_the_api_tells_of_no_layer_that_is_collected_meanwhile(
    web: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await web.push_image("web", "v1", b"kept")
    gone = await web.push_blob("web", b"layer")
    kept = digest_of(b"layer of kept")
    web.clock.offset += timedelta(days=5)
    collecting_before_the_promise(web, monkeypatch, layers)
    found = await web.api("BatchCheckLayerAvailability", {**WEB, "layerDigests": [gone, kept]})
    assert found["layers"] == [
        {"layerDigest": gone, "layerAvailability": "UNAVAILABLE"},
        {"layerDigest": kept, "layerAvailability": "AVAILABLE", "layerSize": 13},
    ]
    assert found["failures"] == []
