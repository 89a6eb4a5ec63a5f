from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.service.registry.harness import Harness, digest_of, image_manifest

from roadstead.services.ecr import errors
from roadstead.store import TransactionConflict

WEB = {"repositoryName": "web"}


@pytest.fixture
async def web(ecr: Harness) -> Harness:
    await ecr.create_repository("web")
    return ecr


async def _upload(web: Harness, content: bytes) -> str:
    begun = await web.api("InitiateLayerUpload", WEB)
    part = begun["partSize"]
    for start in range(0, len(content), part):
        chunk = content[start : start + part]
        sent = await web.api(
            "UploadLayerPart",
            {
                **WEB,
                "uploadId": begun["uploadId"],
                "partFirstByte": start,
                "partLastByte": start + len(chunk) - 1,
                "layerPartBlob": chunk,
            },
        )
        assert sent["lastByteReceived"] == start + len(chunk) - 1
    digest = digest_of(content)
    request = {**WEB, "uploadId": begun["uploadId"], "layerDigests": [digest]}
    assert (await web.api("CompleteLayerUpload", request))["layerDigest"] == digest
    return digest


async def test_an_image_pushed_through_the_api_is_pulled_by_the_registry(web: Harness) -> None:
    config, layer = b"{}", b"layer" * 3_000_000
    await _upload(web, config)
    digest = await _upload(web, layer)
    manifest = image_manifest(config, [layer])
    await web.api("PutImage", {**WEB, "imageManifest": manifest.decode(), "imageTag": "latest"})
    assert (await web.http("GET", "/v2/web/manifests/latest")).body == manifest
    url = (await web.api("GetDownloadUrlForLayer", {**WEB, "layerDigest": digest}))["downloadUrl"]
    path = "/" + url.split("/", 3)[3]
    assert (await web.http("GET", path, token=None)).body == layer
    part = await web.http("GET", path, headers={"Range": "bytes=0-4"}, token=None)
    assert (part.status, part.body) == (206, b"layer")
    assert (await web.http("GET", path + "x", token=None)).status == 403
    assert (await web.http("PUT", path, token=None)).status == 405
    web.clock.offset = timedelta(hours=1, seconds=1)
    assert (await web.http("GET", path, token=None)).status == 403


async def test_layer_availability(web: Harness) -> None:
    await web.create_repository("other")
    here, there = await web.push_blob("web", b"here"), await web.push_blob("other", b"there")
    answer = await web.api("BatchCheckLayerAvailability", {**WEB, "layerDigests": [here, there, "bad", ""]})
    assert answer["layers"] == [
        {"layerDigest": here, "layerAvailability": "AVAILABLE", "layerSize": 4},
        {"layerDigest": there, "layerAvailability": "UNAVAILABLE"},
    ]
    assert [failure["failureCode"] for failure in answer["failures"]] == ["InvalidLayerDigest", "MissingLayerDigest"]
    for digest, refused in ((there, errors.LayersNotFoundException), (here, errors.LayerInaccessibleException)):
        with pytest.raises(refused):
            await web.api("GetDownloadUrlForLayer", {**WEB, "layerDigest": digest})


async def test_parts_out_of_order(web: Harness) -> None:
    upload = (await web.api("InitiateLayerUpload", WEB))["uploadId"]

    async def send(first: int, last: int, content: bytes) -> None:
        part = {"uploadId": upload, "partFirstByte": first, "partLastByte": last, "layerPartBlob": content}
        await web.api("UploadLayerPart", {**WEB, **part})

    await send(0, 2, b"abc")
    with pytest.raises(errors.InvalidLayerPartException) as invalid:
        await send(4, 6, b"efg")
    assert invalid.value.members["lastValidByteReceived"] == 2
    with pytest.raises(errors.InvalidParameterException):
        await send(3, 9, b"def")


async def test_completing_what_can_not_be_completed(web: Harness) -> None:
    upload = (await web.api("InitiateLayerUpload", WEB))["uploadId"]

    async def complete(digest: str, identity: str = upload) -> None:
        await web.api("CompleteLayerUpload", {**WEB, "uploadId": identity, "layerDigests": [digest]})

    with pytest.raises(errors.EmptyUploadException):
        await complete(digest_of(b""))
    part = {"uploadId": upload, "partFirstByte": 0, "partLastByte": 2, "layerPartBlob": b"abc"}
    await web.api("UploadLayerPart", {**WEB, **part})
    with pytest.raises(errors.InvalidLayerException):
        await complete(digest_of(b"other"))
    with pytest.raises(errors.UploadNotFoundException):
        await complete(digest_of(b"abc"), "00000000-0000-0000-0000-000000000000")
    await web.push_blob("web", b"abc")
    with pytest.raises(errors.LayerAlreadyExistsException):
        await complete(digest_of(b"abc"))


async def test_more_clients_at_once_than_the_database_has_connections(web: Harness) -> None:
    async def begin() -> str:
        while True:
            try:
                return str((await web.api("InitiateLayerUpload", WEB))["uploadId"])
            except TransactionConflict:  # 503 to a client, which asks again
                continue

    async with asyncio.timeout(
        25
    ):  # a request that holds a connection while it waits for another one gives up after 30
        uploads = await asyncio.gather(*(begin() for _ in range(40)))
    assert len(set(uploads)) == 40
