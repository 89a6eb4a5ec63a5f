"""Garbage collection beside requests, as a client sees it."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.service.registry.harness import Harness, digest_of, image_manifest

from roadstead.core.registry.collection import DEFAULT_GRACE
from roadstead.services.ecr.api import collect_garbage, expire_uploads
from roadstead.services.ecr.errors import LayerAlreadyExistsException
from roadstead.services.ecr.tables import contents, garbage


async def collect(registry: Harness, **more: bool):
    return await collect_garbage(registry.storage, registry.store.run, DEFAULT_GRACE, **more)


async def stored(registry: Harness) -> int:
    return len([info async for info in registry.blobs.list()])


async def test_what_no_image_needs_goes_after_a_while(registry: Harness) -> None:
    for name in ("web", "other"):
        await registry.create_repository(name)
        await registry.push_image(name, "latest", b"shared")
    digest = await registry.push_image("web", "own", b"own")
    assert await stored(registry) == 6  # the second repository pushed the same content again
    assert (await registry.http("DELETE", f"/v2/web/manifests/{digest}")).status == 202
    first = await collect(registry)
    assert (first.links, first.contents, first.bytes > 0) == (0, 0, True)
    assert await stored(registry) == 4
    registry.clock.offset = DEFAULT_GRACE * 2
    second = await collect(registry)
    assert (second.links, second.contents) == (2, 2)
    assert await stored(registry) == 2
    for name in ("web", "other"):
        manifest = (await registry.http("GET", f"/v2/{name}/manifests/latest")).json
        for part in (manifest["config"], *manifest["layers"]):
            assert digest_of((await registry.http("GET", f"/v2/{name}/blobs/{part['digest']}")).body) == part["digest"]


async def test_a_deleted_repository_gives_its_content_back_and_leaves_what_others_share(registry: Harness) -> None:
    for name in ("web", "other"):
        await registry.create_repository(name)
        await registry.push_image(name, "latest", b"shared")
    await registry.push_image("web", "own", b"own")
    await registry.api("DeleteRepository", {"repositoryName": "web", "force": True})
    await collect(registry)
    assert await stored(registry) == 2
    assert (await registry.http("GET", "/v2/other/manifests/latest")).status == 200


async def test_a_blob_that_a_push_was_told_of_stays_until_its_manifest_comes(registry: Harness) -> None:
    await registry.create_repository("web")
    config, layer = b"{}", os.urandom(1000)
    for content in (config, layer):
        await registry.push_blob("web", content)
    registry.clock.offset = DEFAULT_GRACE
    for content in (config, layer):
        assert (await registry.http("HEAD", f"/v2/web/blobs/{digest_of(content)}")).status == 200
    registry.clock.offset = DEFAULT_GRACE * 1.9
    assert (await collect(registry)).links == 0
    assert (await registry.push_manifest("web", "latest", image_manifest(config, [layer]))).status == 201
    registry.clock.offset = DEFAULT_GRACE * 9
    assert (await collect(registry)).links == 0


async def test_a_layer_that_an_upload_was_told_of_stays_until_its_manifest_comes(registry: Harness) -> None:
    await registry.create_repository("web")
    config, layer = b"{}", os.urandom(1000)
    await registry.push_blob("web", layer)
    registry.clock.offset = DEFAULT_GRACE * 2
    await registry.push_blob("web", config)
    upload = {
        "repositoryName": "web",
        "uploadId": (await registry.api("InitiateLayerUpload", {"repositoryName": "web"}))["uploadId"],
    }
    part = {"partFirstByte": 0, "partLastByte": len(layer) - 1, "layerPartBlob": layer}
    await registry.api("UploadLayerPart", {**upload, **part})
    with pytest.raises(LayerAlreadyExistsException):
        await registry.api("CompleteLayerUpload", {**upload, "layerDigests": [digest_of(layer)]})
    assert (await collect(registry)).links == 0
    image = {"repositoryName": "web", "imageManifest": image_manifest(config, [layer]).decode()}
    assert await registry.api("PutImage", image)


async def test_an_upload_that_goes_on_holds_what_was_there_when_it_began(registry: Harness) -> None:
    await registry.create_repository("web")
    config, layer = b"{}", os.urandom(1000)
    await registry.push_blob("web", config)
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    registry.clock.offset = DEFAULT_GRACE * 3
    assert (await collect(registry)).links == 0
    assert (await registry.http("PUT", f"{place}?digest={digest_of(layer)}", layer)).status == 201
    assert (await registry.push_manifest("web", "latest", image_manifest(config, [layer]))).status == 201


async def test_what_a_crash_leaves_between_seal_and_commit_is_found(registry: Harness) -> None:
    from roadstead.store.blobs import Digest

    await registry.create_repository("web")
    content = os.urandom(1000)
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    assert (await registry.http("PATCH", place, content)).status == 202
    (upload,) = (registry.deployment.data_dir / "blobs" / "uploads").iterdir()
    await registry.blobs.seal(upload.name, Digest.parse(digest_of(content)))
    assert (
        await collect(registry, leftovers=True)
    ).leftovers == 0  # for all anybody knows, it is about to be committed
    registry.clock.offset = timedelta(days=2)
    await expire_uploads(registry.storage, registry.clock.now())
    assert (await collect(registry, leftovers=True)).leftovers == 1
    assert await stored(registry) == 0


async def test_pushes_while_everything_is_collected_all_the_time(registry: Harness) -> None:
    """Without any grace for what nothing refers to, but that of uploads that go on."""
    await registry.create_repository("web")
    done = asyncio.Event()

    async def collector() -> int:
        rounds = 0
        while not done.is_set():
            await collect(registry, leftovers=True)
            rounds += 1
        return rounds

    async def push(number: int) -> None:
        for turn in range(5):
            tag = f"t{number}-{turn}"
            await registry.push_image("web", tag, b"shared" if turn % 2 else b"%d-%d" % (number, turn))
            manifest = (await registry.http("GET", f"/v2/web/manifests/{tag}")).json
            for part in (manifest["config"], *manifest["layers"]):
                assert (await registry.http("GET", f"/v2/web/blobs/{part['digest']}")).status == 200
            if turn % 2:
                await registry.http("DELETE", f"/v2/web/manifests/{tag}")

    collecting = asyncio.create_task(collector())
    try:
        await asyncio.gather(*(push(number) for number in range(4)))
    finally:
        done.set()
    assert await collecting >= 1
    registry.clock.offset = DEFAULT_GRACE * 3
    await collect(registry, leftovers=True)
    async with registry.store.snapshot() as tx:
        kept = set((await tx.execute(select(contents.c.location))).scalars())
        assert (await tx.execute(select(garbage.c.location))).first() is None
    assert {info.location async for info in registry.blobs.list()} == kept


async def test_a_clock_that_was_wrong_keeps_nothing_for_ever(registry: Harness) -> None:
    await registry.create_repository("web")
    registry.clock.offset = timedelta(days=3000)
    await registry.push_blob("web", b"pushed in the far future")
    registry.clock.offset = timedelta()
    await collect(registry)
    registry.clock.offset = DEFAULT_GRACE * 2
    assert (await collect(registry)).contents == 1
    assert await stored(registry) == 0
