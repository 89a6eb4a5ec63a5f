"""Pull through cache rules whose upstream is another registry of the deployment: what is fetched, and what stays."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.service.ecr.caches import both_registries
from tests.service.ecr.places import PULL, PUSH, SERVICE, Place, add_accounts, policy
from tests.service.registry.harness import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Harness,
    digest_of,
    image_manifest,
    index_manifest,
    running_registry,
)

from roadstead.services.ecr.collection import collect_garbage
from roadstead.services.ecr.tables import contents, garbage, pull_through_rules, uploads

ROLE_ACTIONS = ["ecr:GetAuthorizationToken", *PULL, *PUSH]


@pytest.fixture
async def here(ecr: Harness) -> Place:
    """The registry that caches."""
    await add_accounts(ecr)
    return Place(ecr)


@pytest.fixture
async def there(here: Place) -> Place:
    """The same account's registry in another region, with a repository."""
    found = Place(here.ecr, region="eu-west-1")
    await found.api("CreateRepository", {"repositoryName": "team/web"})
    return found


async def rows(ecr: Harness, *tables: Any) -> list[int]:
    async with ecr.store.snapshot() as tx:
        return [int((await tx.execute(select(func.count()).select_from(table))).scalar() or 0) for table in tables]


async def test_an_image_of_another_region_is_linked_and_no_byte_moves(here: Place, there: Place) -> None:
    pushed = await there.push("team/web", "v1")
    before = await rows(here.ecr, contents, garbage, uploads)
    assert (await here.pull("cache/team/web", "v1")).status == 404
    await here.rule(there)
    assert await here.pulled("cache/team/web", "v1") == pushed
    assert await here.pulled("cache/team/web", pushed) == pushed
    assert await rows(here.ecr, contents, garbage, uploads) == before
    (repository,) = (await here.api("DescribeRepositories", {}))["repositories"]
    assert repository["repositoryName"] == "cache/team/web"
    assert (await here.pull("cache/team/web", "none")).status == 404
    assert (await here.pull("cache/none", "v1")).status == 404


async def test_another_account_is_reached_with_a_role(here: Place) -> None:
    there = Place(here.ecr, OTHER_ACCOUNT, "eu-west-1")
    await there.api("CreateRepository", {"repositoryName": "web"})
    pushed = await there.push("web", "v1")
    await there.let_in("web", ACCOUNT, PULL)
    await here.rule(there, customRoleArn=await here.role("cache", ROLE_ACTIONS))
    assert await here.pulled("cache/web", "v1") == pushed


async def test_a_prefix_upstream_and_root(here: Place, there: Place) -> None:
    pushed = await there.push("team/web", "v1")
    await here.rule(there, "mine", upstreamRepositoryPrefix="team")
    assert await here.pulled("mine/web", "v1") == pushed
    await here.rule(there, "ROOT")
    assert await here.pulled("team/web", "v1") == pushed


async def test_a_list_comes_first_and_then_those_of_its_images_that_are_pulled(here: Place, there: Place) -> None:
    config, layer = b'{"os":"linux"}', b"layer"
    for blob in (config, layer):
        await there.http("POST", f"/v2/team/web/blobs/uploads/?digest={digest_of(blob)}", blob)
    children = [image_manifest(config, [layer], annotations={"n": str(number)}) for number in range(2)]
    for child in children:
        await there.put("team/web", digest_of(child), child)
    await there.put("team/web", "v1", index_manifest(children))
    await here.rule(there)
    assert (await here.pull("cache/team/web", "v1")).status == 200
    assert await here.pulled("cache/team/web", digest_of(children[1])) == digest_of(children[1])
    assert len((await here.api("DescribeImages", {"repositoryName": "cache/team/web"}))["imageDetails"]) == 2


async def test_a_tag_that_moved_upstream_moves_here_a_day_later(here: Place, there: Place) -> None:
    old = await there.push("team/web", "v1", b"old")
    await here.rule(there)
    assert await here.pulled("cache/team/web", "v1") == old
    new = await there.push("team/web", "v1", b"new")
    assert await here.pulled("cache/team/web", "v1") == old
    here.ecr.clock.offset += timedelta(hours=25)
    assert await here.pulled("cache/team/web", "v1") == new
    await there.push("team/web", "v1", b"newest")
    assert await here.pulled("cache/team/web", "v1") == new


async def test_what_is_held_is_served_when_the_upstream_repository_is_gone(here: Place, there: Place) -> None:
    pushed = await there.push("team/web", "v1")
    await here.rule(there)
    assert await here.pulled("cache/team/web", "v1") == pushed
    await there.api("DeleteRepository", {"repositoryName": "team/web", "force": True})
    here.ecr.clock.offset += timedelta(hours=72)
    await collect_garbage(here.ecr.storage, here.ecr.store.run, timedelta(hours=24), leftovers=True)
    assert await here.pulled("cache/team/web", "v1") == pushed
    assert (await here.pull("cache/team/web", "v2")).status == 404


async def test_what_was_linked_is_kept_as_what_was_pushed_is(here: Place, there: Place) -> None:
    """The image goes at once, its layers after the grace, and those of the upstream stay."""
    pushed = await there.push("team/web", "v1")
    await here.rule(there)
    assert await here.pulled("cache/team/web", "v1") == pushed
    request = {"repositoryName": "cache/team/web", "imageIds": [{"imageDigest": pushed}]}
    await here.api("BatchDeleteImage", request)
    here.ecr.clock.offset += timedelta(hours=72)
    collected = await collect_garbage(here.ecr.storage, here.ecr.store.run, timedelta(hours=24), leftovers=True)
    assert (collected.links, collected.contents, collected.bytes) == (2, 0, 0)
    assert await there.pulled("team/web", "v1") == pushed
    assert await here.pulled("cache/team/web", "v1") == pushed


async def test_what_is_archived_upstream_is_not_there(here: Place, there: Place) -> None:
    pushed = await there.push("team/web", "v1")
    await here.rule(there)
    named = {"repositoryName": "team/web", "imageId": {"imageDigest": pushed}}
    await there.api("UpdateImageStorageClass", {**named, "targetStorageClass": "ARCHIVE"})
    assert (await here.pull("cache/team/web", "v1")).status == 404
    assert (await here.api("DescribeRepositories", {}))["repositories"] == []


async def test_a_cache_that_is_full_says_so(tmp_path: Path, store_url: str) -> None:
    async with running_registry(tmp_path, url=store_url, settings={"ecr_quotas": {"RegistryBytes": 1200}}) as ecr:
        await add_accounts(ecr)
        here, there = Place(ecr), Place(ecr, region="eu-west-1")
        for place, name, seed in ((here, "mine", b"x" * 300), (there, "web", b"y" * 400)):
            await place.api("CreateRepository", {"repositoryName": name})
            await place.push(name, "v1", seed)
        await here.rule(there)
        refused = await here.pull("cache/web", "v1")
        assert (refused.status, refused.error) == (429, "TOOMANYREQUESTS")
        assert "RegistryBytes" in json.dumps(refused.json)
        assert (await here.api("ListImages", {"repositoryName": "cache/web"}))["imageIds"] == []


async def test_a_pull_counts_upstream_and_a_comparison_does_not(here: Place, there: Place) -> None:
    async def pulled_at(place: Place, name: str) -> Any:
        await here.ecr.pulls.moments.flush()
        (image,) = (await place.api("DescribeImages", {"repositoryName": name}))["imageDetails"]
        return image.get("lastRecordedPullTime")

    await there.push("team/web", "v1")
    await here.rule(there)
    assert await pulled_at(there, "team/web") is None
    await here.pulled("cache/team/web", "v1")
    first = await pulled_at(there, "team/web")
    assert first is not None
    here.ecr.clock.offset += timedelta(hours=25)
    await here.pulled("cache/team/web", "v1")
    assert await pulled_at(there, "team/web") == first
    assert await pulled_at(here, "cache/team/web") > first


async def test_a_chain_of_caches(here: Place, there: Place) -> None:
    """Here from there, and there from a third one. The service-linked role may make no repository, unless the registry lets it."""
    third = Place(here.ecr, region="ap-south-1")
    await third.api("CreateRepository", {"repositoryName": "web"})
    old = await third.push("web", "v1", b"old")
    await there.rule(third, "far")
    await here.rule(there, "cache")
    refused = await here.pull("cache/far/web", "v1")
    assert (refused.status, "ecr:CreateRepository" in json.dumps(refused.json)) == (403, True)
    linked = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{SERVICE}/AWSServiceRoleForECRPullThroughCache"
    making = {"Sid": "s", "Principal": {"AWS": linked}, "Action": "ecr:CreateRepository"}
    making["Resource"] = f"arn:aws:ecr:{there.region}:{ACCOUNT}:repository/*"
    await there.api("PutRegistryPolicy", {"policyText": policy(making)})
    assert await here.pulled("cache/far/web", "v1") == old
    assert await there.pulled("far/web", "v1") == old
    new = await third.push("web", "v1", b"new")
    here.ecr.clock.offset += timedelta(hours=25)
    assert await here.pulled("cache/far/web", "v1") == new
    assert (await here.pull("cache/far/web", "none")).status == 404


async def test_a_chain_that_ends_outside(tmp_path: Path, store_url: str) -> None:
    for name in ("upstream", "own"):
        (tmp_path / name).mkdir()
    async with both_registries(tmp_path, store_url) as both:
        await add_accounts(both.ecr)
        here, there = Place(both.ecr), Place(both.ecr, region="eu-west-1")
        pushed = await both.upstream.push_image("team/web", "v1")
        outside = {"ecrRepositoryPrefix": "far", "upstreamRegistryUrl": both.front.host}
        await there.api("CreatePullThroughCacheRule", outside)
        for name in ("far/team/web", "far/none"):
            await there.api("CreateRepository", {"repositoryName": name})
        await here.rule(there)
        answers = await asyncio.gather(*(here.pull("cache/far/team/web", "v1") for _ in range(4)))
        assert {answer.headers["docker-content-digest"] for answer in answers} == {pushed}
        assert len([asked for asked in both.front.asked if "/blobs/" in asked]) == 2
        assert await here.pulled("cache/far/team/web", "v1") == pushed
        assert (await here.pull("cache/far/none", "v1")).status == 404
        for status, answered in ((503, 502), (403, 403), (429, 429)):
            both.front.status = status
            assert (await here.pull("cache/far/team/web", "v2")).status == answered


async def test_caches_of_each_other_end_with_an_error(here: Place, there: Place) -> None:
    pushed = await there.push("team/web", "v1")
    await here.rule(there, "ROOT")
    await there.rule(here, "ROOT")
    assert await here.pulled("team/web", "v1") == pushed
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(place.pull("team/web", "v2") for place in (here, there) * 4))
    assert {(answer.status, answer.error) for answer in answers} == {(502, "UNAVAILABLE")}
    assert "back to itself" in json.dumps(answers[0].json)
    code, reason = await there.failure("team/web", "v2")
    assert (code, "back to itself" in reason) == ("UpstreamUnavailable", True)
    here.ecr.clock.offset += timedelta(hours=25)
    async with asyncio.timeout(30):
        assert await here.pulled("team/web", "v1") == pushed
        assert await there.pulled("team/web", "v1") == pushed


async def test_rules_without_an_end_end_with_an_error(here: Place, there: Place) -> None:
    """Each leads to a name that is longer than the one before."""
    more = {"upstreamRepositoryPrefix": "aa/aa", "customRoleArn": await here.role("cache", ["ecr:*"])}
    await here.rule(there, "aa", **more)
    await there.rule(here, "aa", **more)
    async with asyncio.timeout(30):
        answer = await here.pull("aa/web", "v1")
    assert (answer.status, answer.error) == (502, "UNAVAILABLE")
    assert "more than 8 registries" in json.dumps(answer.json)


async def test_clients_at_once(here: Place, there: Place) -> None:
    pushed = await there.push("team/web", "v1")
    await here.rule(there)
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(here.pull("cache/team/web", "v1") for _ in range(8)))
    assert {answer.headers["docker-content-digest"] for answer in answers} == {pushed}
    await here.ecr.pulls.activity.flush()


async def test_a_rule_of_an_upstream_that_lost_its_account(here: Place, there: Place) -> None:
    """Nobody closes accounts yet; a database that was put together by hand has to be told from one where all is well."""
    await here.rule(there)

    async def move(tx: Any) -> None:
        lost = there.url.replace(ACCOUNT, "444455556666")
        await tx.execute(pull_through_rules.update().values(upstream_url=lost))

    await here.ecr.store.run(move)
    validated = await here.api("ValidatePullThroughCacheRule", {"ecrRepositoryPrefix": "cache"})
    assert (validated["isValid"], validated["failure"]) == (
        False,
        "there is no account 444455556666 in this deployment",
    )
