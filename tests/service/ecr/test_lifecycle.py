"""Lifecycle policies and the archive: the API, and what the controller does with them."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest
from tests.service.ecr.lifecycle import TO_ARCHIVE, UNPULLED, WEB, events, policy, push, put, rule, run, status, tags
from tests.service.registry.harness import ACCOUNT, Harness, digest_of, image_manifest, index_manifest

from roadstead.services.ecr import api, errors


async def test_put_get_delete(ecr: Harness) -> None:
    await ecr.create_repository("web")
    with pytest.raises(errors.LifecyclePolicyNotFoundException) as missing:
        await ecr.api("GetLifecyclePolicy", WEB)
    assert missing.value.message == (
        f"Lifecycle policy does not exist for the repository with name 'web' in the registry with id '{ACCOUNT}'"
    )
    text = policy(rule())
    described = {"registryId": ACCOUNT, **WEB, "lifecyclePolicyText": text}
    assert await ecr.api("PutLifecyclePolicy", {**WEB, "lifecyclePolicyText": text}) == described
    assert await ecr.api("GetLifecyclePolicy", WEB) == described
    await run(ecr)
    evaluated = await ecr.api("GetLifecyclePolicy", WEB)
    assert evaluated.pop("lastEvaluatedAt") <= ecr.clock.now()
    assert evaluated == described
    assert (await ecr.api("DeleteLifecyclePolicy", WEB))["lifecyclePolicyText"] == text
    with pytest.raises(errors.LifecyclePolicyNotFoundException):
        await ecr.api("DeleteLifecyclePolicy", WEB)
    with pytest.raises(errors.InvalidParameterException) as refused:
        await put(ecr, '{"rules":[]}')
    assert refused.value.message == (
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: "
        "array is too short: must have at least 1 elements but instance has 0 elements'"
    )


async def test_images_expire_and_it_is_told(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await push(ecr, "v1", "v2", "v3")
    await put(ecr, policy(rule()))
    await run(ecr)
    assert await tags(ecr) == ["v3"]
    (told,) = await events(ecr, "ecr.lifecycle")
    assert (told["repository"], told["expire"], told["transition"]) == ("web", 2, 0)
    deleted = [event for event in await events(ecr, "ecr.image") if event["change"] == "deleted"]
    assert {(event["by"], event["rulePriority"]) for event in deleted} == {("lifecycle-policy", 1)}


async def test_a_policy_is_evaluated_again_and_again(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await put(ecr, policy(rule(countType="sinceImagePushed", countUnit="days", countNumber=30)))
    await push(ecr, "v1")
    await run(ecr)
    assert await tags(ecr) == ["v1"]
    ecr.clock.offset += timedelta(days=31)
    await run(ecr)
    assert await tags(ecr) == []


async def test_a_clock_that_was_wrong_puts_no_evaluation_off(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await push(ecr, "v1")
    ecr.clock.offset += timedelta(days=30)
    await put(ecr, policy(rule()))
    await run(ecr)
    ecr.clock.offset -= timedelta(days=29)
    await push(ecr, "v2")
    await run(ecr)
    assert await tags(ecr) == ["v2"]


async def test_a_list_goes_first_and_then_its_images(ecr: Harness) -> None:
    await ecr.create_repository("web")
    config, layer = b"{}", b"layer"
    for content in (config, layer):
        await ecr.push_blob("web", content)
    child = image_manifest(config, [layer])
    from tests.service.registry.harness import digest_of

    await ecr.push_manifest("web", digest_of(child), child)
    await ecr.push_manifest("web", "v1", index_manifest([child]))
    await put(ecr, policy(rule(tagStatus="tagged", tagPrefixList=["v"]), rule(2, tagStatus="untagged", **UNPULLED)))
    ecr.clock.offset += timedelta(days=31)
    await push(ecr, "v2")
    await run(ecr)
    assert await tags(ecr) == ["v2"]


async def test_what_changed_since_it_was_marked_stays(ecr: Harness) -> None:
    await ecr.create_repository("web")
    pushed = await push(ecr, "v1", "v2", "v3")
    await put(ecr, policy(rule()))
    async with ecr.store.snapshot() as tx:
        (due,) = await api.due_policies(tx, ecr.clock.now())
        marked = await api.marked_images(tx, due.key, due.text, ecr.clock.now())
    assert [each.image.digest for each in marked] == [pushed["v1"], pushed["v2"]]
    got = await ecr.api("BatchGetImage", {**WEB, "imageIds": [{"imageTag": "v1"}]})
    request = {**WEB, "imageTag": "stable", "imageManifest": got["images"][0]["imageManifest"]}
    await ecr.api("PutImage", request)
    done = await ecr.store.run(partial(api.carry_out, due=due, marked=marked))
    assert [each.image.digest for each in done] == [pushed["v2"]]
    await put(ecr, policy(rule(countNumber=5)))
    assert await ecr.store.run(partial(api.carry_out, due=due, marked=marked)) == []
    assert await tags(ecr) == ["stable", "v1", "v3"]


async def test_preview(ecr: Harness) -> None:
    await ecr.create_repository("web")
    with pytest.raises(errors.LifecyclePolicyPreviewNotFoundException):
        await ecr.api("GetLifecyclePolicyPreview", WEB)
    with pytest.raises(errors.LifecyclePolicyNotFoundException):
        await ecr.api("StartLifecyclePolicyPreview", WEB)
    pushed = await push(ecr, "v1", "v2", "old", "v3")
    ecr.clock.offset += timedelta(days=31)
    await push(ecr, "v4")
    text = policy(rule(tagStatus="tagged", tagPrefixList=["v"], countNumber=2), rule(2, TO_ARCHIVE, **UNPULLED))
    started = await ecr.api("StartLifecyclePolicyPreview", {**WEB, "lifecyclePolicyText": text})
    assert started == {"registryId": ACCOUNT, **WEB, "lifecyclePolicyText": text, "status": "IN_PROGRESS"}
    with pytest.raises(errors.LifecyclePolicyPreviewInProgressException):
        await ecr.api("StartLifecyclePolicyPreview", {**WEB, "lifecyclePolicyText": text})
    assert (await ecr.api("GetLifecyclePolicyPreview", WEB)) == started
    await run(ecr)
    found = await ecr.api("GetLifecyclePolicyPreview", WEB)
    assert found["status"] == "COMPLETE"
    assert found["summary"] == {
        "expiringImageTotalCount": 2,
        "transitioningImageTotalCounts": [{"targetStorageClass": "ARCHIVE", "imageTotalCount": 1}],
    }
    by_tag = {result["imageTags"][0]: result for result in found["previewResults"]}
    assert sorted(by_tag) == ["old", "v1", "v2"]
    old = by_tag["old"]
    assert (old["imageDigest"], old["action"], old["appliedRulePriority"], old["storageClass"]) == (
        pushed["old"],
        {"type": "TRANSITION", "targetStorageClass": "ARCHIVE"},
        2,
        "STANDARD",
    )
    assert by_tag["v1"]["action"] == {"type": "EXPIRE"}
    page = await ecr.api("GetLifecyclePolicyPreview", {**WEB, "maxResults": 2})
    rest = await ecr.api("GetLifecyclePolicyPreview", {**WEB, "maxResults": 2, "nextToken": page["nextToken"]})
    assert page["previewResults"] + rest["previewResults"] == found["previewResults"]
    for ids in ([{"imageTag": "old"}], [{"imageDigest": pushed["old"]}]):
        named = await ecr.api("GetLifecyclePolicyPreview", {**WEB, "imageIds": ids})
        assert named["previewResults"] == [old]
    untagged = await ecr.api("GetLifecyclePolicyPreview", {**WEB, "filter": {"tagStatus": "UNTAGGED"}})
    assert untagged["previewResults"] == []
    assert await tags(ecr) == ["old", "v1", "v2", "v3", "v4"]
    ecr.clock.offset += timedelta(hours=25)
    assert (await ecr.api("GetLifecyclePolicyPreview", WEB))["status"] == "EXPIRED"
    await run(ecr)
    assert (await ecr.api("GetLifecyclePolicyPreview", WEB))["status"] == "EXPIRED"


async def test_the_archive(ecr: Harness) -> None:
    await ecr.create_repository("web")
    pushed = await push(ecr, "v1")
    manifest = (await ecr.http("GET", "/v2/web/manifests/v1")).body
    layer = json.loads(manifest)["layers"][0]["digest"]
    url = (await ecr.api("GetDownloadUrlForLayer", {**WEB, "layerDigest": layer}))["downloadUrl"]
    ticket = url[url.index("/v2/") :]
    assert (await ecr.http("GET", f"/v2/web/blobs/{layer}")).body == (await ecr.http("GET", ticket)).body
    request = {**WEB, "imageId": {"imageTag": "v1"}}
    done = await ecr.api("UpdateImageStorageClass", {**request, "targetStorageClass": "ARCHIVE"})
    assert done == {
        "registryId": ACCOUNT,
        **WEB,
        "imageId": {"imageDigest": pushed["v1"], "imageTag": "v1"},
        "imageStatus": "ARCHIVED",
    }
    for reference in ("v1", pushed["v1"]):
        for method in ("GET", "HEAD"):
            assert (await ecr.http(method, f"/v2/web/manifests/{reference}")).status == 404
        refused = await ecr.http("GET", f"/v2/web/manifests/{reference}")
        assert refused.json["errors"] == [{"code": "MANIFEST_UNKNOWN", "message": "Requested image is archived"}]
    got = await ecr.api("BatchGetImage", {**WEB, "imageIds": [{"imageTag": "v1"}]})
    assert [failure["failureCode"] for failure in got["failures"]] == ["ImageInaccessible"]
    (found,) = (await ecr.api("BatchCheckLayerAvailability", {**WEB, "layerDigests": [layer]}))["layers"]
    assert found["layerAvailability"] == "ARCHIVED"
    with pytest.raises(errors.LayerInaccessibleException):
        await ecr.api("GetDownloadUrlForLayer", {**WEB, "layerDigest": layer})
    for path in (f"/v2/web/blobs/{layer}", ticket):
        assert (await ecr.http("GET", path)).json["errors"][0]["message"] == "the blob is archived"
    assert (await ecr.http("HEAD", f"/v2/web/blobs/{layer}")).status == 200, "who pushes it again need not send it"
    assert await tags(ecr) == []
    archived = await ecr.api("ListImages", {**WEB, "filter": {"imageStatus": "ARCHIVED"}})
    assert archived["imageIds"] == [{"imageDigest": pushed["v1"], "imageTag": "v1"}]

    back = await ecr.api("UpdateImageStorageClass", {**request, "targetStorageClass": "STANDARD"})
    assert back["imageStatus"] == await status(ecr, "v1") == "ACTIVATING"
    assert (await ecr.http("GET", "/v2/web/manifests/v1")).status == 404
    with pytest.raises(errors.ImageStorageClassUpdateNotSupportedException):
        await ecr.api("UpdateImageStorageClass", {**request, "targetStorageClass": "ARCHIVE"})
    await run(ecr)
    assert await status(ecr, "v1") == "ACTIVE"
    assert (await ecr.http("GET", "/v2/web/manifests/v1")).body == manifest
    (detail,) = (await ecr.api("DescribeImages", WEB))["imageDetails"]
    assert detail["lastArchivedAt"] <= detail["lastActivatedAt"] <= ecr.clock.now()
    changes = [event["change"] for event in await events(ecr, "ecr.image")]
    assert changes == ["pushed", "archived", "activating", "activated"]
    missing = {**WEB, "imageId": {"imageTag": "none"}, "targetStorageClass": "ARCHIVE"}
    with pytest.raises(errors.ImageNotFoundException):
        await ecr.api("UpdateImageStorageClass", missing)


async def test_what_archived_images_share_with_others_can_be_read(ecr: Harness) -> None:
    for name in ("web", "other"):
        await ecr.create_repository(name)
    layers = (b"base", b"own of 1", b"own of 2")
    for content in (b"{}", *layers):
        await ecr.push_blob("web", content)
    await ecr.push_manifest("web", "v1", image_manifest(b"{}", layers[:2]))
    await ecr.push_manifest("web", "v2", image_manifest(b"{}", [layers[0], layers[2]]))
    unnamed = await ecr.push_blob("web", b"of no image yet")
    await ecr.api("UpdateImageStorageClass", {**WEB, "imageId": {"imageTag": "v1"}, "targetStorageClass": "ARCHIVE"})
    answers = [(await ecr.http("GET", f"/v2/web/blobs/{digest_of(content)}")).status for content in layers]
    assert answers == [200, 404, 200]
    assert (await ecr.http("GET", f"/v2/web/blobs/{unnamed}")).status == 200

    async def mount(content: bytes) -> int:
        query = f"mount={digest_of(content)}&from=web"
        return (await ecr.http("POST", f"/v2/other/blobs/uploads/?{query}")).status

    assert [await mount(content) for content in layers] == [201, 202, 201]
    await ecr.push_blob("other", b"own of 1")
    assert (await ecr.http("GET", f"/v2/other/blobs/{digest_of(layers[1])}")).status == 200, "it is pushed there"


async def test_pushing_an_archived_image_brings_it_back(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await push(ecr, "v1")
    await ecr.api("UpdateImageStorageClass", {**WEB, "imageId": {"imageTag": "v1"}, "targetStorageClass": "ARCHIVE"})
    assert await status(ecr, "v1") == "ARCHIVED"
    await push(ecr, "v1")
    assert await status(ecr, "v1") == "ACTIVE"


@pytest.mark.parametrize("tag", [{"imageTag": "v1"}, {}])
@pytest.mark.parametrize("meanwhile", ["ARCHIVED", "ACTIVATING"])
async def test_putting_an_archived_image_brings_it_back(ecr: Harness, tag: dict[str, str], meanwhile: str) -> None:
    await ecr.create_repository("web")
    digest = (await push(ecr, "v1"))["v1"]
    request = {**WEB, **tag, "imageManifest": (await ecr.http("GET", "/v2/web/manifests/v1")).body.decode()}
    for storage in ("ARCHIVE", "STANDARD") if meanwhile == "ACTIVATING" else ("ARCHIVE",):
        moved = {**WEB, "imageId": {"imageTag": "v1"}, "targetStorageClass": storage}
        await ecr.api("UpdateImageStorageClass", moved)
    assert await status(ecr, "v1") == meanwhile
    put_again = await ecr.api("PutImage", request)
    assert put_again["image"]["imageId"] == {"imageDigest": digest, **tag}
    assert await status(ecr, "v1") == "ACTIVE"
    with pytest.raises(errors.ImageAlreadyExistsException):
        await ecr.api("PutImage", request)


async def test_what_an_active_list_names_is_not_archived(ecr: Harness) -> None:
    await ecr.create_repository("web")
    for content in (b"{}", b"layer"):
        await ecr.push_blob("web", content)
    child = image_manifest(b"{}", [b"layer"])
    await ecr.push_manifest("web", "child", child)
    await ecr.push_manifest("web", "list", index_manifest([child]))

    async def archive(tag: str) -> None:
        request = {**WEB, "imageId": {"imageTag": tag}, "targetStorageClass": "ARCHIVE"}
        await ecr.api("UpdateImageStorageClass", request)

    with pytest.raises(errors.ImageStorageClassUpdateNotSupportedException):
        await archive("child")
    await archive("list")
    await archive("child")


async def test_policies_archive_what_nobody_pulls_and_expire_what_was_archived_long_ago(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await push(ecr, "idle", "busy")
    gone = {"countType": "sinceImageTransitioned", "countUnit": "days", "countNumber": 90, "storageClass": "archive"}
    await put(ecr, policy(rule(1, TO_ARCHIVE, **UNPULLED), rule(2, **gone)))
    ecr.clock.offset += timedelta(days=31)
    assert (await ecr.http("GET", "/v2/web/manifests/busy")).status == 200
    await ecr.pulls.moments.flush()
    await run(ecr)
    assert [await status(ecr, tag) for tag in ("idle", "busy")] == ["ARCHIVED", "ACTIVE"]
    ecr.clock.offset += timedelta(days=91)
    assert (await ecr.http("GET", "/v2/web/manifests/busy")).status == 200
    await ecr.pulls.moments.flush()
    await run(ecr)
    assert await tags(ecr) == ["busy"]
    with pytest.raises(errors.ImageNotFoundException):
        await status(ecr, "idle")
