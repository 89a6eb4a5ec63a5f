"""Pull through cache rules: the API, and pulls that they answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.service.ecr.caches import Both, both_registries
from tests.service.ecr.upstream import front
from tests.service.registry.harness import (
    ACCOUNT,
    OCI_INDEX,
    OTHER_ACCOUNT,
    Harness,
    digest_of,
    image_manifest,
    index_manifest,
    running_registry,
    user,
)

from roadstead.access.errors import AccessDenied
from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.kernel.settings import PullThrough, Upstream
from roadstead.services.ecr import errors
from roadstead.store import Transaction

SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:ecr-pullthroughcache/hub-AbCdEf"


async def test_rules(both: Both) -> None:
    ecr = both.ecr
    created = await both.rule(upstreamRepositoryPrefix="team", credentialArn=SECRET)
    described = {
        "ecrRepositoryPrefix": "cache",
        "upstreamRepositoryPrefix": "team",
        "upstreamRegistryUrl": both.front.host,
        "registryId": ACCOUNT,
        "credentialArn": SECRET,
    }
    assert created == {**described, "createdAt": created["createdAt"]}
    (found,) = (await ecr.api("DescribePullThroughCacheRules", {}))["pullThroughCacheRules"]
    assert found == {**created, "updatedAt": created["createdAt"]}
    for prefix in ("cache", "cache/"):
        with pytest.raises(errors.PullThroughCacheRuleAlreadyExistsException):
            await both.rule(ecrRepositoryPrefix=prefix)
    ecr.clock.offset += timedelta(hours=1)
    changed = await ecr.api(
        "UpdatePullThroughCacheRule", {"ecrRepositoryPrefix": "cache", "credentialArn": SECRET[:-7]}
    )
    assert changed["updatedAt"] > created["createdAt"]
    assert changed["credentialArn"] == SECRET[:-7]
    assert (await ecr.api("DeletePullThroughCacheRule", {"ecrRepositoryPrefix": "cache"}))["createdAt"]
    for operation in ("DeletePullThroughCacheRule", "UpdatePullThroughCacheRule", "ValidatePullThroughCacheRule"):
        with pytest.raises(errors.PullThroughCacheRuleNotFoundException):
            await ecr.api(operation, {"ecrRepositoryPrefix": "cache"})


@pytest.mark.parametrize(
    ("url", "name", "refused"),
    [
        ("public.ecr.aws", "ecr-public", None),
        ("https://registry.k8s.io", None, None),
        ("quay.io", "quay", None),
        ("ghcr.io", None, errors.InvalidParameterException),
        ("registry-1.docker.io", "docker-hub", errors.InvalidParameterException),
        ("team7.azurecr.io", None, errors.InvalidParameterException),
        ("registry.gitlab.com", "gitlab-container-registry", errors.InvalidParameterException),
        ("cgr.dev", "chainguard", errors.InvalidParameterException),
        ("azurecr.io", "azure-container-registry", errors.UnsupportedUpstreamRegistryException),
        ("a.b.azurecr.io", None, errors.UnsupportedUpstreamRegistryException),
        ("team7.azurecr.io.example.com", None, errors.UnsupportedUpstreamRegistryException),
        ("gitlab.com", None, errors.UnsupportedUpstreamRegistryException),
        ("cgr.dev", "gitlab-container-registry", errors.UnsupportedUpstreamRegistryException),
        ("quay.io", "k8s", errors.UnsupportedUpstreamRegistryException),
        ("registry.example.com", None, errors.UnsupportedUpstreamRegistryException),
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", "ecr", errors.InvalidParameterException),
        ("444455556666.dkr.ecr.us-east-1.amazonaws.com", "ecr", errors.UnsupportedUpstreamRegistryException),
    ],
)
async def test_which_upstreams_there_may_be(ecr: Harness, url: str, name: str | None, refused: Any) -> None:
    request: dict[str, Any] = {"ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": url}
    if name is not None:
        request["upstreamRegistry"] = name
    if refused is None:
        assert (await ecr.api("CreatePullThroughCacheRule", request))["upstreamRegistry"]
        return
    with pytest.raises(refused):
        await ecr.api("CreatePullThroughCacheRule", request)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("registry-1.docker.io", "docker-hub"),
        ("ghcr.io", "github-container-registry"),
        ("team7.azurecr.io", "azure-container-registry"),
        ("registry.gitlab.com", "gitlab-container-registry"),
        ("cgr.dev", "chainguard"),
    ],
)
async def test_upstreams_that_want_credentials_are_known_by_their_hosts(both: Both, url: str, name: str) -> None:
    created = await both.rule(upstreamRegistryUrl=f"https://{url}", credentialArn=SECRET)
    assert (created["upstreamRegistryUrl"], created["upstreamRegistry"]) == (url, name)
    (found,) = (await both.ecr.api("DescribePullThroughCacheRules", {}))["pullThroughCacheRules"]
    assert (found["upstreamRegistry"], found["credentialArn"]) == (name, SECRET)
    named = await both.rule(
        ecrRepositoryPrefix="again", upstreamRegistryUrl=url, upstreamRegistry=name, credentialArn=SECRET
    )
    assert named["upstreamRegistry"] == name


async def test_what_rules_are_refused(both: Both) -> None:
    with pytest.raises(errors.SecretNotFoundException):
        await both.rule(credentialArn=SECRET.replace("/hub", "/none"))
    with pytest.raises(NotImplementedByRoadstead):
        await both.rule(customRoleArn=f"arn:aws:iam::{ACCOUNT}:role/r")
    with pytest.raises(AccessDenied):
        await both.rule(registryId=OTHER_ACCOUNT)


async def test_an_image_is_fetched_once_and_then_answered_from_here(both: Both) -> None:
    pushed = await both.upstream.push_image("team/web", "v1")
    assert (await both.pull("v1")).status == 404
    await both.rule()
    first = await both.pull("v1")
    assert (first.status, first.headers["docker-content-digest"]) == (200, pushed)
    for descriptor in [first.json["config"], *first.json["layers"]]:
        blob = await both.ecr.http("GET", f"/v2/cache/team/web/blobs/{descriptor['digest']}")
        assert digest_of(blob.body) == descriptor["digest"]
    asked = len(both.front.asked)
    assert (await both.pull("v1")).body == (await both.pull(pushed)).body == first.body
    assert len(both.front.asked) == asked
    (repository,) = (await both.ecr.api("DescribeRepositories", {}))["repositories"]
    assert repository["repositoryName"] == "cache/team/web"
    assert (await both.pull("none")).status == 404
    assert (await both.pull("v1", "elsewhere/team/web")).status == 404


async def test_an_upstream_below_localhost_is_found_without_a_resolver(tmp_path: Path) -> None:
    """As the public registry of a deployment beside this one is named, which plain Debian does not resolve."""
    for name in ("upstream", "own"):
        (tmp_path / name).mkdir()
    async with running_registry(tmp_path / "upstream") as upstream, front(upstream) as facade:
        await upstream.create_repository("team/web")
        pushed = await upstream.push_image("team/web", "v1")
        host = f"public.ecr.localhost:{facade.port}"
        settings = PullThrough(upstreams={host: Upstream(f"http://{host}")})
        async with running_registry(tmp_path / "own", settings={"pull_through": settings}) as ecr:
            await ecr.api("CreatePullThroughCacheRule", {"ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": host})
            assert (await ecr.api("ValidatePullThroughCacheRule", {"ecrRepositoryPrefix": "cache"}))["isValid"]
            pulled = await ecr.http("GET", "/v2/cache/team/web/manifests/v1")
            assert (pulled.status, pulled.headers["docker-content-digest"]) == (200, pushed)


async def test_a_prefix_upstream_takes_the_place_of_the_prefix_here(both: Both) -> None:
    pushed = await both.upstream.push_image("team/web", "v1")
    await both.rule(upstreamRepositoryPrefix="team")
    pulled = await both.pull("v1", "cache/web")
    assert (pulled.status, pulled.headers["docker-content-digest"]) == (200, pushed)
    layer = pulled.json["layers"][0]["digest"]
    assert (await both.ecr.http("GET", f"/v2/cache/web/blobs/{layer}")).status == 200
    paths = {asked.split()[1] for asked in both.front.asked}
    assert f"/v2/team/web/blobs/{layer}" in paths
    assert {path for path in paths if "/manifests/" in path} <= {
        f"/v2/team/web/manifests/{reference}" for reference in ("v1", pushed)
    }
    assert {path.split("/")[2:4] == ["team", "web"] for path in paths if path.startswith("/v2/")} == {True}
    (repository,) = (await both.ecr.api("DescribeRepositories", {}))["repositories"]
    assert repository["repositoryName"] == "cache/web"


async def test_a_list_comes_first_and_then_those_of_its_images_that_are_pulled(both: Both) -> None:
    config, layer = b'{"os":"linux"}', b"layer"
    for content in (config, layer):
        await both.upstream.push_blob("team/web", content)
    children = [image_manifest(config, [layer], annotations={"n": str(number)}) for number in range(2)]
    for child in children:
        await both.upstream.push_manifest("team/web", digest_of(child), child)
    await both.upstream.push_manifest("team/web", "v1", index_manifest(children))
    await both.rule()
    assert (await both.pull("v1")).headers["content-type"] == OCI_INDEX
    assert (await both.pull(digest_of(children[1]))).body == children[1]
    images = (await both.ecr.api("DescribeImages", {"repositoryName": "cache/team/web"}))["imageDetails"]
    assert len(images) == 2


async def test_what_is_held_is_answered_while_the_upstream_is_down(both: Both) -> None:
    old = await both.upstream.push_image("team/web", "v1", b"old")
    await both.rule()
    assert (await both.pull("v1")).status == 200
    new = await both.upstream.push_image("team/web", "v1", b"new")
    assert (await both.pull("v1")).headers["docker-content-digest"] == old
    both.ecr.clock.offset += timedelta(hours=25)
    both.front.status = 503
    token = await both.ecr.token()
    down = await both.ecr.http("GET", "/v2/cache/team/web/manifests/v1", token=token)
    assert (down.status, down.headers["docker-content-digest"]) == (200, old)
    missing = await both.pull("v2")
    assert (missing.status, missing.error) == (502, "UNAVAILABLE")
    asked = len(both.front.asked)
    assert (await both.pull("v1")).status == 200
    assert len(both.front.asked) == asked, "an upstream that just failed is left in peace"
    both.front.status = None
    again = {"repositoryName": "cache/team/web", "imageIds": [{"imageDigest": new}]}
    assert len((await both.ecr.api("BatchGetImage", again))["images"]) == 1


async def test_a_tag_that_is_gone_upstream_is_asked_for_once_a_minute(both: Both) -> None:
    pushed = await both.upstream.push_image("team/web", "v1")
    await both.rule()
    assert (await both.pull("v1")).status == 200
    await both.upstream.api("BatchDeleteImage", {"repositoryName": "team/web", "imageIds": [{"imageTag": "v1"}]})
    both.ecr.clock.offset += timedelta(hours=25)
    token = await both.ecr.token()
    gone = await both.ecr.http("GET", "/v2/cache/team/web/manifests/v1", token=token)
    assert (gone.status, gone.headers["docker-content-digest"]) == (200, pushed)
    asked = len(both.front.asked)
    assert (await both.pull("v1")).status == 200
    assert len(both.front.asked) == asked


async def test_a_cache_that_is_full_says_so(tmp_path: Path, store_url: str) -> None:
    async with both_registries(tmp_path, store_url, ecr_quotas={"RepositoryBytes": 500}) as both:
        await both.upstream.push_image("team/web", "v1", b"x" * 1000)
        await both.rule()
        refused = await both.pull("v1")
        assert (refused.status, refused.error) == (429, "TOOMANYREQUESTS")


async def test_a_tag_that_moved_upstream_moves_here_a_day_later(both: Both) -> None:
    await both.upstream.push_image("team/web", "v1", b"old")
    await both.rule()
    await both.pull("v1")
    new = await both.upstream.push_image("team/web", "v1", b"new")
    both.ecr.clock.offset += timedelta(hours=25)
    assert (await both.pull("v1")).headers["docker-content-digest"] == new
    await both.upstream.push_image("team/web", "v1", b"newest")
    assert (await both.pull("v1")).headers["docker-content-digest"] == new


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [(403, 403, "UpstreamAccessDenied"), (429, 429, "UpstreamTooManyRequests"), (500, 502, "UpstreamUnavailable")],
)
async def test_what_the_upstream_says_is_passed_on(both: Both, status: int, answer: int, code: str) -> None:
    await both.rule()
    await both.ecr.create_repository("cache/team/web")
    both.front.status = status
    assert (await both.pull("v1")).status == answer
    request = {"repositoryName": "cache/team/web", "imageIds": [{"imageTag": "v1"}]}
    (failure,) = (await both.ecr.api("BatchGetImage", request))["failures"]
    assert failure["failureCode"] == code


async def test_other_bytes_than_promised_are_not_kept(both: Both) -> None:
    await both.upstream.push_image("team/web", "v1")
    await both.rule()
    both.front.corrupt = True
    assert (await both.pull("v1")).status == 502
    assert (await both.ecr.api("ListImages", {"repositoryName": "cache/team/web"}))["imageIds"] == []
    both.front.corrupt = False
    assert (await both.pull("v1")).status == 200


async def test_what_is_archived_is_fetched_anew(both: Both) -> None:
    """As a push would bring it back; while the upstream is away, the archive refuses."""
    await both.upstream.push_image("team/web", "v1")
    await both.rule()
    pushed = (await both.pull("v1")).headers["docker-content-digest"]
    named = {"repositoryName": "cache/team/web", "imageId": {"imageDigest": pushed}}
    await both.ecr.api("UpdateImageStorageClass", {**named, "targetStorageClass": "ARCHIVE"})
    both.front.status = 503
    assert (await both.pull("v1")).status == 502
    both.front.status = None
    assert (await both.pull("v1")).status == 200
    (image,) = (await both.ecr.api("DescribeImages", {"repositoryName": "cache/team/web"}))["imageDetails"]
    assert image["imageStatus"] == "ACTIVE"


async def test_credentials(both: Both) -> None:
    await both.upstream.push_image("team/web", "v1")
    both.front.user = "me"
    await both.rule()
    assert (await both.pull("v1")).status == 403
    invalid = await both.ecr.api("ValidatePullThroughCacheRule", {"ecrRepositoryPrefix": "cache"})
    assert (invalid["isValid"], bool(invalid["failure"])) == (False, True)
    await both.ecr.api("UpdatePullThroughCacheRule", {"ecrRepositoryPrefix": "cache", "credentialArn": SECRET})
    valid = await both.ecr.api("ValidatePullThroughCacheRule", {"ecrRepositoryPrefix": "cache"})
    assert (valid["isValid"], valid["credentialArn"], "failure" in valid) == (True, SECRET, False)
    assert (await both.pull("v1")).status == 200


async def test_clients_at_once_fetch_once(both: Both) -> None:
    await both.upstream.push_image("team/web", "v1")
    await both.rule()
    answers = await asyncio.gather(*(both.pull("v1") for _ in range(8)))
    assert [answer.status for answer in answers] == [200] * 8
    blobs = [asked for asked in both.front.asked if "/blobs/" in asked]
    assert len(blobs) <= 2 * len(set(blobs))
    assert len(set(blobs)) == 2


async def test_importing_needs_leave(both: Both) -> None:
    await both.upstream.push_image("team/web", "v1")
    await both.rule()
    pull = ["ecr:GetAuthorizationToken", "ecr:BatchGetImage"]
    statement = {"Effect": "Allow", "Action": pull, "Resource": "*"}
    await both.ecr.allow("reader", [statement])
    await both.ecr.allow("importer", [{**statement, "Action": [*pull, "ecr:BatchImportUpstreamImage"]}])
    path = "/v2/cache/team/web/manifests/v1"
    for name in ("reader", "importer"):
        refused = await both.ecr.http("GET", path, token=await both.ecr.token(user(name)))
        assert (refused.status, refused.error) == (403, "DENIED")
    assert "ecr:CreateRepository" in json.dumps(refused.json)
    await both.ecr.create_repository("cache/team/web")
    token = await both.ecr.token(user("importer"))
    assert (await both.ecr.http("GET", path, token=token)).status == 200
    token = await both.ecr.token(user("reader"))
    assert (await both.ecr.http("GET", path, token=token)).status == 200


async def test_a_template_says_what_a_cached_repository_is_like(both: Both) -> None:
    await both.upstream.push_image("team/web", "v1")
    await both.rule(ecrRepositoryPrefix="ROOT")
    template = {"prefix": "team", "appliedFor": ["PULL_THROUGH_CACHE"], "imageTagMutability": "IMMUTABLE"}
    await both.ecr.api("CreateRepositoryCreationTemplate", template)
    assert (await both.pull("v1", "team/web")).status == 200
    (repository,) = (await both.ecr.api("DescribeRepositories", {}))["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"


async def test_no_transaction_is_open_while_an_upstream_is_waited_for(both: Both) -> None:
    await both.upstream.push_image("team/web", "v1")
    await both.rule()
    store, held = both.ecr.store, list[int]()
    begin, opened = store.snapshot, 0

    @asynccontextmanager
    async def counted() -> AsyncGenerator[Transaction]:
        nonlocal opened
        async with begin() as tx:
            opened += 1
            try:
                yield tx
            finally:
                opened -= 1

    store.snapshot = counted
    both.front.when_asked = lambda: held.append(opened)
    request = {"repositoryName": "cache/team/web", "imageIds": [{"imageTag": "v1"}]}
    assert len((await both.ecr.api("BatchGetImage", request))["images"]) == 1
    both.ecr.clock.offset += timedelta(hours=25)
    await both.upstream.push_image("team/web", "v1", b"new")
    assert len((await both.ecr.api("BatchGetImage", request))["images"]) == 1
    validated = await both.ecr.api("ValidatePullThroughCacheRule", {"ecrRepositoryPrefix": "cache"})
    assert validated["isValid"]
    assert len(held) > 10
    assert set(held) == {0}
