"""Clients that do the same thing at the same time."""

from __future__ import annotations

import asyncio
import os

from tests.service.registry.harness import Harness, digest_of


async def test_two_pushes_of_one_blob_at_once(registry: Harness) -> None:
    await registry.create_repository("web")
    await registry.create_repository("other")
    content = os.urandom(2_000_000)
    digest = digest_of(content)
    names = ["web", "web", "other", "web", "other"]
    answers = await asyncio.gather(
        *(registry.http("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content) for name in names)
    )
    assert [answer.status for answer in answers] == [201] * len(names)
    for name in ("web", "other"):
        assert (await registry.http("GET", f"/v2/{name}/blobs/{digest}")).body == content


async def test_two_clients_writing_one_upload(registry: Harness) -> None:
    await registry.create_repository("web")
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    chunks = [bytes([n]) * 100_000 for n in range(4)]
    answers = await asyncio.gather(
        *(registry.http("PATCH", place, chunk, {"Content-Range": "0-99999"}) for chunk in chunks)
    )
    assert sorted(answer.status for answer in answers) == [202, 416, 416, 416]
    winner = chunks[[answer.status for answer in answers].index(202)]
    assert (await registry.http("PUT", f"{place}?digest={digest_of(winner)}")).status == 201


async def test_two_clients_finishing_one_upload(registry: Harness) -> None:
    """Both mean the same blob: whoever comes second finds the upload gone, or the blob there."""
    await registry.create_repository("web")
    content = os.urandom(500_000)
    digest = digest_of(content)
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    assert (await registry.http("PATCH", place, content)).status == 202
    answers = await asyncio.gather(*(registry.http("PUT", f"{place}?digest={digest}") for _ in range(4)))
    statuses = {answer.status for answer in answers}
    assert 201 in statuses
    assert statuses <= {201, 404}
    assert (await registry.http("GET", f"/v2/web/blobs/{digest}")).body == content


async def test_an_upload_that_is_cancelled_while_it_is_finished(registry: Harness) -> None:
    await registry.create_repository("web")
    for number in range(4):
        content = b"%d" % number * 1000
        place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
        assert (await registry.http("PATCH", place, content)).status == 202
        put, delete = await asyncio.gather(
            registry.http("PUT", f"{place}?digest={digest_of(content)}"), registry.http("DELETE", place)
        )
        assert (put.status, delete.status) in {(201, 204), (201, 404), (404, 204)}
        found = await registry.http("GET", f"/v2/web/blobs/{digest_of(content)}")
        assert found.status == (200 if put.status == 201 else 404)
        assert (await registry.http("GET", place)).status == 404


async def test_two_clients_pushing_one_tag(registry: Harness) -> None:
    await registry.create_repository("web")
    digests = [await registry.push_image("web", f"t{n}", b"%d" % n) for n in range(4)]
    manifests = [(await registry.http("GET", f"/v2/web/manifests/{digest}")).body for digest in digests]
    answers = await asyncio.gather(*(registry.push_manifest("web", "latest", m) for m in manifests * 3))
    assert {answer.status for answer in answers} == {201}
    assert (await registry.http("GET", "/v2/web/manifests/latest")).body in manifests
    assert (await registry.http("GET", "/v2/web/tags/list")).json["tags"].count("latest") == 1


async def test_one_of_two_clients_gets_an_immutable_tag(registry: Harness) -> None:
    await registry.create_repository("web", imageTagMutability="IMMUTABLE")
    digests = [await registry.push_image("web", f"t{n}", b"%d" % n) for n in range(4)]
    manifests = [(await registry.http("GET", f"/v2/web/manifests/{digest}")).body for digest in digests]
    answers = await asyncio.gather(*(registry.push_manifest("web", "v1", m) for m in manifests))
    assert sorted(answer.status for answer in answers) == [201, 400, 400, 400]
    winner = manifests[[answer.status for answer in answers].index(201)]
    assert (await registry.http("GET", "/v2/web/manifests/v1")).body == winner


async def test_a_tag_that_is_deleted_and_pushed_at_once_names_a_whole_image_or_none(registry: Harness) -> None:
    await registry.create_repository("web")
    digest = await registry.push_image("web", "v1")
    manifest = (await registry.http("GET", f"/v2/web/manifests/{digest}")).body
    for _ in range(5):
        pushed, deleted, pulled = await asyncio.gather(
            registry.push_manifest("web", "v1", manifest),
            registry.http("DELETE", f"/v2/web/manifests/{digest}"),
            registry.http("GET", "/v2/web/manifests/v1"),
        )
        assert (pushed.status, pulled.status in (200, 404)) == (201, True)
        assert deleted.status in (202, 404)
        found = await registry.http("GET", "/v2/web/manifests/v1")
        assert found.status == 404 or found.body == manifest
        listed = (await registry.http("GET", "/v2/web/tags/list")).json["tags"]
        assert listed == (["v1"] if found.status == 200 else [])
        await registry.push_manifest("web", "v1", manifest)
