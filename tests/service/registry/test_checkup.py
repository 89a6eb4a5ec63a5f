"""`registry fsck`: what is wrong is found, what can be is put right, and what is right is left alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update
from tests.service.registry.harness import OTHER_ACCOUNT, Harness, digest_of, user

from roadstead.access.errors import AccessDenied
from roadstead.kernel.errors import AccessDeniedException
from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.ecr.tables import blob_links, images
from roadstead.store.blobs import Digest

LAYER = b"layer of seed"


async def fsck(registry: Harness, *, repair: bool = False) -> Counter[tuple[str, bool]]:
    """Findings by kind, and whether they were put right."""
    found: Counter[tuple[str, bool]] = Counter()
    token: str | None = None
    while True:
        request: dict[str, object] = {"repair": repair, **({"nextToken": token} if token else {})}
        answer = await registry.api("CheckRegistry", request, service="roadstead")
        found.update((str(each["kind"]), each["repaired"]) for each in answer["findings"])
        token = answer.get("nextToken")
        if token is None:
            return found


async def path_of(registry: Harness, digest: str, name: str = "web") -> Path:
    path = registry.blobs.local_path(await registry.location(name, digest))
    assert path is not None
    return path


@pytest.fixture
async def web(registry: Harness) -> Harness:
    for name in ("web", "other"):
        await registry.create_repository(name)
        await registry.push_image(name, "latest", b"seed")
    await registry.api("CollectRegistryGarbage", {}, service="roadstead")
    return registry


async def test_a_registry_that_is_well(web: Harness) -> None:
    assert await fsck(web) == await fsck(web, repair=True) == {}
    first: Any = await web.api("CheckRegistry", {}, service="roadstead")
    assert first["total"] == {"contents": 2, "bytes": first["bytes"], "images": 2}


@pytest.mark.parametrize("damage", ["missing", "short", "flipped"])
async def test_what_is_lost_comes_back_with_the_next_push(web: Harness, damage: str) -> None:
    digest = digest_of(LAYER)
    path = await path_of(web, digest)
    match damage:
        case "missing":
            path.unlink()
        case "short":
            path.write_bytes(LAYER[:3])
        case _:
            path.write_bytes(LAYER[:-1] + b"?")
    kind = "MissingContent" if damage == "missing" else "DamagedContent"
    assert await fsck(web) == {(kind, False): 1}
    assert (await web.http("HEAD", f"/v2/web/blobs/{digest}")).status == 200
    assert await fsck(web, repair=True) == {(kind, True): 1}
    assert await fsck(web) == {("LostContent", False): 1}
    for name in ("web", "other"):
        assert (await web.http("HEAD", f"/v2/{name}/blobs/{digest}")).status == 404  # so a client pushes it
        assert (await web.http("GET", f"/v2/{name}/manifests/latest")).status == 200
    missing = await web.push_manifest("web", "again", (await _manifest(web)) + b" ")
    assert missing.error == "MANIFEST_BLOB_UNKNOWN"
    await web.push_blob("other", LAYER)
    for name in ("web", "other"):
        assert (await web.http("GET", f"/v2/{name}/blobs/{digest}")).body == LAYER
    await web.api("CollectRegistryGarbage", {}, service="roadstead")
    assert await fsck(web) == {}


async def _manifest(web: Harness) -> bytes:
    return (await web.http("GET", "/v2/web/manifests/latest")).body


async def test_content_that_returns_is_taken_again(web: Harness) -> None:
    digest = digest_of(LAYER)
    path = await path_of(web, digest)
    aside = path.with_name("aside")
    path.rename(aside)
    assert await fsck(web, repair=True) == {("MissingContent", True): 1}
    aside.rename(path)
    assert await fsck(web) == {("ReturnedContent", False): 1}
    assert await fsck(web, repair=True) == {("ReturnedContent", True): 1}
    assert (await web.http("GET", f"/v2/web/blobs/{digest}")).body == LAYER
    assert await fsck(web) == {}


async def test_leftovers_are_found_and_go(web: Harness) -> None:
    upload = await web.blobs.create_upload()
    await web.blobs.append(upload, 0, b"nobody knows me")
    sealed = await web.blobs.seal(upload, Digest.parse(digest_of(b"nobody knows me")))
    assert await fsck(web) == {("Leftovers", False): 1}
    assert await fsck(web, repair=True) == {("Leftovers", True): 1}
    await web.api("CollectRegistryGarbage", {}, service="roadstead")
    assert await web.blobs.stat(sealed.location) is None
    assert await fsck(web) == {}


async def test_an_image_gets_its_link_back(web: Harness) -> None:
    digest = digest_of(LAYER)
    gone = delete(blob_links).where(blob_links.c.repository == "web", blob_links.c.digest == digest)
    async with web.store.transaction() as tx:
        await tx.execute(gone)
    assert await fsck(web) == {("UnlinkedBlob", False): 1}
    assert await fsck(web, repair=True) == {("UnlinkedBlob", True): 1}
    assert (await web.http("GET", f"/v2/web/blobs/{digest}")).body == LAYER


async def test_a_damaged_manifest_is_said(web: Harness) -> None:
    damaged = update(images).where(images.c.repository == "web").values(manifest=b"{}")
    async with web.store.transaction() as tx:
        await tx.execute(damaged)
    assert await fsck(web, repair=True) == {("DamagedManifest", False): 1}


async def test_a_check_beside_pushes_finds_nothing(web: Harness) -> None:
    async def push(client: int) -> None:
        for number in range(6):
            await web.push_image("web", f"t{client}-{number}", b"%d-%d" % (client, number))

    pushes = asyncio.gather(*(push(client) for client in range(3)))
    while not pushes.done():
        assert await fsck(web, repair=True) == {}
    await pushes


async def test_a_dry_run_counts_and_leaves(web: Harness) -> None:
    await web.api("DeleteRepository", {"repositoryName": "web", "force": True})
    await web.api("DeleteRepository", {"repositoryName": "other", "force": True})
    counted = await web.api("CollectRegistryGarbage", {"dryRun": True}, service="roadstead")
    assert counted["contents"] == 2
    assert len([info async for info in web.blobs.list()]) == 2
    done = await web.api("CollectRegistryGarbage", {"graceSeconds": 0}, service="roadstead")
    assert (done["contents"], done["bytes"]) == (2, counted["bytes"])
    assert len([info async for info in web.blobs.list()]) == 0


async def test_only_the_operator_may(web: Harness) -> None:
    for operation in ("CheckRegistry", "CollectRegistryGarbage"):
        with pytest.raises(AccessDeniedException):
            await web.api(operation, {}, service="roadstead", principal=user(account=OTHER_ACCOUNT))
        with pytest.raises(AccessDenied):
            await web.api(operation, {}, service="roadstead", principal=user("nobody"))
    for token in ("x", '["contents"]', '{"a": 1}', "[1]"):
        with pytest.raises(InvalidParameterException):
            await web.api("CheckRegistry", {"nextToken": token}, service="roadstead")
