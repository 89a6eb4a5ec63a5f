"""Quotas: those of the real service, which settings can change, and those of bytes, which it lacks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.service.registry.harness import Answer, Harness, digest_of, exchange, image_manifest, running_registry
from tests.support.server import refusal
from tests.support.server_process import server_process

from roadstead.services.ecr import errors

WEB = {"repositoryName": "web"}


@asynccontextmanager
async def limited(root: Path, *, store: str | None = None, **quotas: int) -> AsyncGenerator[Harness]:
    settings: Mapping[str, Any] = {"ecr_quotas": quotas}
    async with running_registry(root, url=store, settings=settings) as ecr:
        await ecr.create_repository("web")
        yield ecr


async def upload(ecr: Harness, *parts: bytes) -> Any:
    """Upload a layer through the API."""
    upload_id = (await ecr.api("InitiateLayerUpload", WEB))["uploadId"]
    first = 0
    for part in parts:
        span = {"partFirstByte": first, "partLastByte": first + len(part) - 1}
        await ecr.api("UploadLayerPart", {**WEB, "uploadId": upload_id, **span, "layerPartBlob": part})
        first += len(part)
    digests = [digest_of(b"".join(parts))]
    return await ecr.api("CompleteLayerUpload", {**WEB, "uploadId": upload_id, "layerDigests": digests})


async def test_repositories(tmp_path: Path) -> None:
    async with limited(tmp_path, RepositoriesPerRegistry=3) as ecr:
        await ecr.create_repository("two")
        await ecr.create_repository("three")
        with pytest.raises(errors.LimitExceededException) as refused:
            await ecr.create_repository("four")
        assert "RepositoriesPerRegistry: 3" in refused.value.message
        await ecr.api("CreateRepository", {"repositoryName": "four"}, region="eu-west-1")
        await ecr.api("DeleteRepository", {"repositoryName": "two"})
        await ecr.create_repository("four")


async def test_images_and_tags(tmp_path: Path) -> None:
    async with limited(tmp_path, ImagesPerRepository=20, TagsPerImage=2) as ecr:
        config, layer = b"{}", b"layer"
        for content in (config, layer):
            await ecr.push_blob("web", content)
        images = [image_manifest(config, [layer], annotations={"n": str(number)}) for number in range(21)]
        statuses = [(await ecr.push_manifest("web", f"v{number}", image)).status for number, image in enumerate(images)]
        assert statuses == [201] * 20 + [429]
        assert (await ecr.push_manifest("web", "again", images[0])).status == 201
        assert (await ecr.push_manifest("web", "again", images[0])).status == 201
        refused = await ecr.push_manifest("web", "third", images[0])
        assert (refused.status, refused.error) == (429, "TOOMANYREQUESTS")
        request = {**WEB, "imageManifest": images[0].decode(), "imageTag": "third"}
        with pytest.raises(errors.LimitExceededException):
            await ecr.api("PutImage", request)
        assert len((await ecr.api("ListImages", WEB))["imageIds"]) == 21


async def test_a_tag_that_moves_is_one_more_of_its_new_image(tmp_path: Path, store_url: str) -> None:
    async with limited(tmp_path, store=store_url, TagsPerImage=2) as ecr:
        for content in (b"{}", b"layer"):
            await ecr.push_blob("web", content)
        first, second = (image_manifest(b"{}", [b"layer"], annotations={"n": number}) for number in ("1", "2"))
        for tag, image in (("a1", first), ("a2", first), ("b1", second), ("b2", second)):
            assert (await ecr.push_manifest("web", tag, image)).status == 201
        refused = await ecr.push_manifest("web", "a1", second)
        assert (refused.status, refused.error) == (429, "TOOMANYREQUESTS")
        with pytest.raises(errors.LimitExceededException):
            await ecr.api("PutImage", {**WEB, "imageManifest": second.decode(), "imageTag": "a2"})
        for tag, image in (("a1", first), ("b1", second)):
            assert (await ecr.http("GET", f"/v2/web/manifests/{tag}")).body == image
            assert (await ecr.push_manifest("web", tag, image)).status == 201, "it is there already"
        await ecr.api("BatchDeleteImage", {**WEB, "imageIds": [{"imageTag": "b2"}]})
        assert (await ecr.push_manifest("web", "a1", second)).status == 201


async def test_parts(tmp_path: Path) -> None:
    async with limited(tmp_path, LayerPartBytes=10, LayerPartMinimumBytes=5, LayerParts=3, LayerBytes=25) as ecr:
        await upload(ecr, b"12345", b"67890", b"1")
        await upload(ecr, b"1")
        for parts, error in [
            ((b"1", b"2"), errors.LayerPartTooSmallException),
            ((b"12345", b"1", b"2"), errors.LayerPartTooSmallException),
            ((b"x" * 11,), errors.InvalidParameterException),
            ((b"12345",) * 4, errors.LimitExceededException),
            ((b"x" * 10,) * 3, errors.LimitExceededException),
        ]:
            with pytest.raises(error):
                await upload(ecr, *parts)


async def test_content(tmp_path: Path) -> None:
    async with limited(tmp_path, RepositoryBytes=100, RegistryBytes=150) as ecr:
        for name in ("api", "other"):
            await ecr.create_repository(name)
        first = await ecr.push_blob("web", b"a" * 60)
        await ecr.push_blob("web", b"a" * 60)
        full = await ecr.http("POST", f"/v2/web/blobs/uploads/?digest={digest_of(b'b' * 60)}", b"b" * 60)
        assert (full.status, "RepositoryBytes: 100" in full.body.decode()) == (429, True)
        with pytest.raises(errors.LimitExceededException):
            await upload(ecr, b"c" * 60)
        await ecr.push_blob("web", b"d" * 40)
        shared = await ecr.http("POST", f"/v2/api/blobs/uploads/?mount={first}&from=web")
        assert shared.status == 201, "the registry has its content once"
        await ecr.push_blob("api", b"d" * 40)
        over = await ecr.http("POST", f"/v2/other/blobs/uploads/?digest={digest_of(b'e' * 51)}", b"e" * 51)
        assert (over.status, "RegistryBytes: 150" in over.body.decode()) == (429, True)
        await ecr.push_blob("other", b"e" * 50)
        within = await ecr.http("POST", f"/v2/api/blobs/uploads/?digest={digest_of(b'f')}", b"f")
        assert (within.status, "RepositoryBytes: 100" in within.body.decode()) == (429, True), (
            "a repository has what it sees"
        )
        assert (await ecr.http("HEAD", f"/v2/web/blobs/{digest_of(b'b' * 60)}")).status == 404


@pytest.mark.parametrize(("repository", "registry", "fit"), [(100, 0, 6), (0, 100, 3)])
async def test_pushes_at_once_share_the_room(
    tmp_path: Path, store_url: str, repository: int, registry: int, fit: int
) -> None:
    async with limited(tmp_path, store=store_url, RepositoryBytes=repository, RegistryBytes=registry) as ecr:
        await ecr.create_repository("api")
        token = await ecr.token()

        async def push(name: str, seed: bytes) -> int:
            content = seed * 30
            path = f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}"
            return (await ecr.http("POST", path, content, token=token)).status

        pushes = [
            push(name, seed)
            for name, seeds in (("web", b"abcde"), ("api", b"vwxyz"))
            for seed in map(bytes, zip(seeds))
        ]
        answers = await asyncio.gather(*pushes)
        assert sorted(answers) == [201] * fit + [429] * (10 - fit)
        digest = digest_of(b"a" * 30)
        assert await push("web", b"a") == answers[0], "what is there already takes no room, what is not finds none"
        assert (await ecr.http("HEAD", f"/v2/web/blobs/{digest}")).status == (200 if answers[0] == 201 else 404)


async def test_what_goes_makes_room(tmp_path: Path) -> None:
    async with limited(tmp_path, RepositoryBytes=100, RegistryBytes=100) as ecr:
        digest = await ecr.push_blob("web", b"a" * 100)
        path = f"/v2/web/blobs/uploads/?digest={digest_of(b'b' * 100)}"
        assert (await ecr.http("POST", path, b"b" * 100)).status == 429
        assert (await ecr.http("DELETE", f"/v2/web/blobs/{digest}")).status == 202
        assert (await ecr.http("POST", path, b"b" * 100)).status == 201


async def test_an_upload_without_room_stays_until_there_is_some(tmp_path: Path) -> None:
    """Clients try again after 429: they are told the same, and not that nobody knows their upload."""
    async with limited(tmp_path, RepositoryBytes=100) as ecr:
        present, content = await ecr.push_blob("web", b"a" * 100), b"b" * 100
        begun = await ecr.http("POST", "/v2/web/blobs/uploads/")
        sent = await ecr.http("PATCH", begun.headers["location"], content)
        close = f"{sent.headers['location']}?digest={digest_of(content)}"
        upload_id = (await ecr.api("InitiateLayerUpload", WEB))["uploadId"]
        part = {"partFirstByte": 0, "partLastByte": 99, "layerPartBlob": b"c" * 100}
        await ecr.api("UploadLayerPart", {**WEB, "uploadId": upload_id, **part})
        complete = {**WEB, "uploadId": upload_id, "layerDigests": [digest_of(b"c" * 100)]}
        for _ in range(2):
            refused = await ecr.http("PUT", close)
            assert (refused.status, refused.error) == (429, "TOOMANYREQUESTS")
            assert "RepositoryBytes: 100" in refused.body.decode()
            with pytest.raises(errors.LimitExceededException):
                await ecr.api("CompleteLayerUpload", complete)
        assert (await ecr.http("DELETE", f"/v2/web/blobs/{present}")).status == 202
        assert (await ecr.http("PUT", close)).status == 201
        assert (await ecr.http("DELETE", f"/v2/web/blobs/{digest_of(content)}")).status == 202
        await ecr.api("CompleteLayerUpload", complete)


@pytest.mark.parametrize("quota", ["RepositoryBytes", "RegistryBytes"])
async def test_an_upload_gets_no_more_bytes_than_there_is_room_for(tmp_path: Path, store_url: str, quota: str) -> None:
    """As they come, and not only in the end: 40 bytes are there, and 60 fit."""
    async with limited(tmp_path, store=store_url, LayerPartMinimumBytes=5, **{quota: 100}) as ecr:
        await ecr.push_blob("web", b"a" * 40)
        begun = (await ecr.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
        assert (await ecr.http("PATCH", begun, b"b" * 50)).status == 202
        told = f"no room for 61 bytes more (quota {quota}: 100)"
        for method, path in (("PATCH", begun), ("PUT", f"{begun}?digest={digest_of(b'b' * 61)}")):
            refused = await ecr.http(method, path, b"b" * 11)
            assert (refused.status, refused.error, told in refused.body.decode()) == (429, "TOOMANYREQUESTS", True)
        refused = await ecr.http("PATCH", begun, b"b" * 11, {"Content-Range": "50-60"})
        assert (refused.status, told in refused.body.decode()) == (429, True)
        assert (await ecr.http("GET", begun)).headers["range"] == "0-49", "nothing of it was taken"
        endless = await _chunked(ecr, begun, [b"b" * 8] * 1000)
        assert (endless.status, endless.error) == (429, "TOOMANYREQUESTS")
        whole = await ecr.http("POST", f"/v2/web/blobs/uploads/?digest={digest_of(b'c' * 61)}", b"c" * 61)
        assert (whole.status, told in whole.body.decode()) == (429, True)

        upload_id = (await ecr.api("InitiateLayerUpload", WEB))["uploadId"]
        part = {**WEB, "uploadId": upload_id, "partFirstByte": 0, "partLastByte": 49, "layerPartBlob": b"d" * 50}
        await ecr.api("UploadLayerPart", part)
        more = {**part, "partFirstByte": 50, "partLastByte": 60, "layerPartBlob": b"d" * 11}
        with pytest.raises(errors.LimitExceededException, match="no room for 61 bytes more"):
            await ecr.api("UploadLayerPart", more)
        await ecr.api("UploadLayerPart", {**more, "partLastByte": 59, "layerPartBlob": b"d" * 10})
        done = {**WEB, "uploadId": upload_id, "layerDigests": [digest_of(b"d" * 60)]}
        await ecr.api("CompleteLayerUpload", done)


async def _chunked(ecr: Harness, path: str, pieces: Sequence[bytes]) -> Answer:
    """A PATCH that does not say how long it is."""
    lines = ("Host: localhost", "Connection: close", f"Authorization: Basic {await ecr.token()}")
    head = "\r\n".join((f"PATCH {path} HTTP/1.1", *lines, "Transfer-Encoding: chunked", "", ""))
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return await exchange(ecr.port, head.encode() + body)


async def test_content_that_is_there_is_taken_without_room(tmp_path: Path) -> None:
    """Who does not know that it is there, in another repository perhaps, sends it; its digest comes last."""
    async with limited(tmp_path, RegistryBytes=100) as ecr:
        await ecr.create_repository("api")
        await ecr.push_blob("web", b"a" * 60)
        await ecr.push_blob("web", b"b" * 40)
        for content in (b"a" * 60, b"b" * 40):
            begun = (await ecr.http("POST", "/v2/api/blobs/uploads/")).headers["location"]
            assert (await ecr.http("PATCH", begun, content)).status == 202
            assert (await ecr.http("PUT", f"{begun}?digest={digest_of(content)}")).status == 201
        begun = (await ecr.http("POST", "/v2/api/blobs/uploads/")).headers["location"]
        assert (await ecr.http("PATCH", begun, b"c" * 61)).status == 429, "it is none of these"


async def test_rules_and_templates(tmp_path: Path) -> None:
    quotas = {"PullThroughCacheRules": 1, "RepositoryCreationTemplates": 1, "PullTimeUpdateExclusions": 1}
    async with running_registry(tmp_path, settings={"ecr_quotas": quotas}) as ecr:
        requests: list[tuple[str, Any]] = [
            (
                "CreatePullThroughCacheRule",
                lambda n: {"ecrRepositoryPrefix": f"p{n}", "upstreamRegistryUrl": "quay.io"},
            ),
            ("CreateRepositoryCreationTemplate", lambda n: {"prefix": f"p{n}", "appliedFor": ["CREATE_ON_PUSH"]}),
            ("RegisterPullTimeUpdateExclusion", lambda n: {"principalArn": f"arn:aws:iam::000000000000:user/u{n}"}),
        ]
        for operation, request in requests:
            await ecr.api(operation, request(1))
            with pytest.raises(errors.LimitExceededException):
                await ecr.api(operation, request(2))


async def test_rules_of_a_lifecycle_policy(tmp_path: Path) -> None:
    def policy(count: int) -> str:
        selection = {"countType": "imageCountMoreThan", "countNumber": 1}
        statuses = ["any"] if count == 1 else ["untagged", "any"]
        rules = [
            {"rulePriority": number, "selection": {"tagStatus": status, **selection}, "action": {"type": "expire"}}
            for number, status in enumerate(statuses, 1)
        ]
        return json.dumps({"rules": rules})

    async with limited(tmp_path, LifecyclePolicyRules=1) as ecr:
        one, two = ({**WEB, "lifecyclePolicyText": policy(count)} for count in (1, 2))
        await ecr.api("PutLifecyclePolicy", one)
        for operation in ("PutLifecyclePolicy", "StartLifecyclePolicyPreview"):
            with pytest.raises(errors.InvalidParameterException) as refused:
                await ecr.api(operation, two)
            assert "must have at most 1 elements but instance has 2 elements" in refused.value.message
        kept = await ecr.api("GetLifecyclePolicy", WEB)
        assert kept["lifecyclePolicyText"] == one["lifecyclePolicyText"]


def test_the_file_of_a_deployment_sets_them(tmp_path: Path) -> None:
    """`[ecr.quotas]` of roadstead.toml, in a server of its own process."""
    with server_process(tmp_path / "data") as server:
        server.data.mkdir()
        (server.data / "roadstead.toml").write_text("[ecr.quotas]\nRepositoriesPerRegistry = 1\n")
        server.start()
        ecr = server.client("ecr")
        ecr.create_repository(repositoryName="one")
        refused = refusal(ecr.create_repository, repositoryName="two")
        assert (refused.code, refused.status) == ("LimitExceededException", 400)
        assert "(quota RepositoriesPerRegistry: 1)" in refused.message
        names = [repository["repositoryName"] for repository in ecr.describe_repositories()["repositories"]]
        assert names == ["one"]
