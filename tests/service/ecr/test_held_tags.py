"""A cached tag that is out of date is served as it is whenever the upstream's new image can't be had."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.service.ecr.caches import Both, both_registries
from tests.service.registry.harness import Answer, user
from tests.support.store import store_url

from roadstead.store import StoreUnavailable

assert store_url

PULL = ["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
TAG = {"repositoryName": "cache/team/web", "imageIds": [{"imageTag": "v1"}]}
MINUTE = timedelta(seconds=61)


async def held(both: Both, seed: bytes = b"old") -> str:
    """Hold an image as `v1`; returns its digest."""
    await both.rule()
    digest = await both.upstream.push_image("team/web", "v1", seed)
    assert (await both.pull("v1")).headers["docker-content-digest"] == digest
    return digest


async def moved_a_day_later(both: Both, seed: bytes = b"new") -> str:
    """Let `v1` be another image upstream, and what is held be out of date."""
    both.ecr.clock.offset += timedelta(hours=25)
    return await both.upstream.push_image("team/web", "v1", seed)


async def by_api(both: Both, **more: Any) -> str:
    """The digest that the API gives for `v1`."""
    (image,) = (await both.ecr.api("BatchGetImage", TAG, **more))["images"]
    return str(image["imageId"]["imageDigest"])


async def assert_held(both: Both, digest: str) -> None:
    """Assert that both doors give it, and that the upstream is asked once a minute."""
    pulled = await both.pull("v1")
    assert (pulled.status, pulled.headers["docker-content-digest"]) == (200, digest)
    asked = len(both.front.asked)
    assert (await both.pull("v1")).headers["docker-content-digest"] == digest
    assert await by_api(both) == digest
    assert len(both.front.asked) == asked, "asked again within a minute"
    both.ecr.clock.waited += MINUTE
    assert await by_api(both) == digest
    assert len(both.front.asked) > asked, "not asked after a minute"


async def test_who_may_not_import_is_given_what_is_held(both: Both) -> None:
    old = await held(both)
    await both.ecr.allow("puller", [{"Effect": "Allow", "Action": PULL, "Resource": "*"}])
    new = await moved_a_day_later(both)
    token = await both.ecr.token(user("puller"))
    asked = len(both.front.asked)
    for _ in range(2):
        pulled = await both.ecr.http("GET", "/v2/cache/team/web/manifests/v1", token=token)
        assert (pulled.status, pulled.headers["docker-content-digest"]) == (200, old)
        assert await by_api(both, principal=user("puller")) == old
    assert len(both.front.asked) == asked
    assert (await both.pull("v1")).headers["docker-content-digest"] == new, "somebody may import, and need not wait"
    pulled = await both.ecr.http("GET", "/v2/cache/team/web/manifests/v1", token=token)
    assert pulled.headers["docker-content-digest"] == new


async def test_a_tag_that_does_not_move_here_stays(both: Both) -> None:
    template = {"prefix": "cache", "appliedFor": ["PULL_THROUGH_CACHE"], "imageTagMutability": "IMMUTABLE"}
    await both.ecr.api("CreateRepositoryCreationTemplate", template)
    old = await held(both)
    await moved_a_day_later(both)
    before = blobs_asked(both)
    await assert_held(both, old)
    assert blobs_asked(both) == before, "what can't be put here is not fetched"


@pytest.mark.parametrize(
    "quotas", [{"RepositoryBytes": 100}, {"RegistryBytes": 100}, {"ImagesPerRepository": 1}, {"LayerBytes": 100}]
)
async def test_what_finds_no_room_leaves_what_is_held(tmp_path: Path, store_url: str, quotas: dict[str, int]) -> None:
    async with both_registries(tmp_path, store_url, ecr_quotas=quotas) as both:
        old = await held(both)
        await moved_a_day_later(both, b"x" * 200)
        before = blobs_asked(both)
        await assert_held(both, old)
        assert blobs_asked(both) == before, "what has no room is not fetched"
        missing = await both.pull(await both.upstream.push_image("team/web", "v2", b"y" * 200))
        assert (missing.status, missing.error) == (429, "TOOMANYREQUESTS")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/html", b"<html>sign in to the hotel</html>"),
        ("application/json", b"<html>"),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", b'{"schemaVersion":1,"name":"x","tag":"v1"}'),
        ("application/vnd.oci.image.manifest.v1+json", b'{"schemaVersion":2}'),
        ("application/vnd.oci.image.manifest.v1+json", b"\xff\xfe"),
    ],
)
async def test_what_is_no_manifest(both: Both, kind: str, content: bytes) -> None:
    """What is held stays, and who pulls for the first time is told that the upstream is to blame."""
    old = await held(both)
    await moved_a_day_later(both)
    both.front.manifest = Answer(200, {"content-type": kind}, content)
    await assert_held(both, old)
    first = await both.pull("v2")
    assert (first.status, first.error) == (502, "UNAVAILABLE")
    assert "imageManifest" not in first.body.decode()
    request = {**TAG, "imageIds": [{"imageTag": "v2"}]}
    (failure,) = (await both.ecr.api("BatchGetImage", request))["failures"]
    assert (failure["failureCode"], "imageManifest" in failure["failureReason"]) == ("UpstreamUnavailable", False)


async def test_a_fault_of_ours_is_one(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    old = await held(both)
    await moved_a_day_later(both)
    run = both.ecr.store.run

    async def away(*_: object) -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(both.ecr.store, "run", away)
    with pytest.raises(StoreUnavailable):
        await by_api(both)
    assert (await both.pull("v1")).status == 503
    monkeypatch.setattr(both.ecr.store, "run", run)
    assert await by_api(both) != old, "it is asked at once when that is over"


async def test_a_clock_that_went_back_asks_once(both: Both) -> None:
    """A tag that was compared in the future is compared now, not when that future has come."""
    both.ecr.clock.offset = timedelta(days=30)
    await held(both)
    both.ecr.clock.offset = timedelta()
    new = await both.upstream.push_image("team/web", "v1", b"new")
    assert await by_api(both) == new
    asked = len(both.front.asked)
    assert await by_api(both) == new
    assert len(both.front.asked) == asked


def blobs_asked(both: Both) -> int:
    return sum("/blobs/" in asked for asked in both.front.asked)
