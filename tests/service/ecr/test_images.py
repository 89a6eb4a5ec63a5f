from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.model import StructureShape
from tests.service.registry.harness import (
    ACCOUNT,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Harness,
    digest_of,
    image_manifest,
    index_manifest,
)

from roadstead.gateway.models.loader import service_model
from roadstead.services.ecr import errors, image_manifests
from roadstead.services.ecr.api import activate_images

WEB = {"repositoryName": "web"}


@pytest.fixture
async def web(ecr: Harness) -> Harness:
    await ecr.create_repository("web")
    return ecr


async def _manifest(web: Harness, reference: str) -> str:
    return (await web.http("GET", f"/v2/web/manifests/{reference}")).body.decode()


async def test_list_images_by_tag_status(web: Harness) -> None:
    one = await web.push_image("web", "a", b"one")
    await web.push_image("web", "b", b"one")
    two = await web.push_image("web", "moving", b"two")
    await web.push_image("web", "moving", b"three")
    three = digest_of((await _manifest(web, "moving")).encode())

    async def listed(**more: object) -> list[tuple[str, str | None]]:
        ids = (await web.api("ListImages", {**WEB, **more}))["imageIds"]
        return sorted((i["imageDigest"], i.get("imageTag")) for i in ids)

    tagged = sorted([(one, "a"), (one, "b"), (three, "moving")])
    assert await listed(filter={"tagStatus": "TAGGED"}) == tagged
    assert await listed(filter={"tagStatus": "UNTAGGED"}) == [(two, None)]
    assert await listed() == await listed(filter={"tagStatus": "ANY"}) == sorted([*tagged, (two, None)])
    assert await listed(filter={"imageStatus": "ARCHIVED"}) == []

    seen: list[tuple[str, str | None]] = []
    request: dict[str, Any] = {**WEB, "maxResults": 1}
    while True:
        page = await web.api("ListImages", request)
        assert len(page["imageIds"]) == 1
        seen += [(i["imageDigest"], i.get("imageTag")) for i in page["imageIds"]]
        if "nextToken" not in page:
            break
        request["nextToken"] = page["nextToken"]
    assert sorted(seen) == await listed()


async def test_describe_images(web: Harness) -> None:
    digest = await web.push_image("web", "v1", b"one")
    await web.push_image("web", "v2", b"one")
    (detail,) = (await web.api("DescribeImages", WEB))["imageDetails"]
    assert detail == {
        "registryId": ACCOUNT,
        "repositoryName": "web",
        "imageDigest": digest,
        "imageTags": ["v1", "v2"],
        "imageSizeInBytes": len(b'{"os":"linux","seed":"one"}') + len(b"layer of one"),
        "imagePushedAt": detail["imagePushedAt"],
        "imageManifestMediaType": OCI_MANIFEST,
        "artifactMediaType": OCI_CONFIG,
        "imageStatus": "ACTIVE",
    }
    child = await _manifest(web, "v1")
    index = index_manifest([child.encode()])
    await web.push_manifest("web", "list", index)
    by_tag = await web.api("DescribeImages", {**WEB, "imageIds": [{"imageTag": "list"}]})
    assert by_tag["imageDetails"][0]["imageSizeInBytes"] == detail["imageSizeInBytes"]
    assert by_tag["imageDetails"][0]["imageManifestMediaType"] == OCI_INDEX
    assert "artifactMediaType" not in by_tag["imageDetails"][0]
    both = await web.api("DescribeImages", {**WEB, "imageIds": [{"imageTag": "v1"}, {"imageDigest": digest}]})
    assert both["imageDetails"] == [detail]
    with pytest.raises(errors.ImageNotFoundException) as missing:
        await web.api("DescribeImages", {**WEB, "imageIds": [{"imageTag": "none"}]})
    assert missing.value.message == (
        "The image with imageId {imageDigest:'null', imageTag:'none'} does not exist within the repository "
        f"with name 'web' in the registry with id '{ACCOUNT}'"
    )
    with pytest.raises(errors.ImageNotFoundException):
        await web.api("DescribeImages", {**WEB, "imageIds": [{"imageTag": "v1", "imageDigest": digest_of(b"?")}]})


async def test_pull_times_are_recorded_without_a_write_for_each_pull(web: Harness) -> None:
    await web.push_image("web", "latest")
    for _ in range(5):
        await web.http("GET", "/v2/web/manifests/latest")
    assert await web.pulls.moments.flush() == 1
    assert await web.pulls.moments.flush() == 0
    (detail,) = (await web.api("DescribeImages", WEB))["imageDetails"]
    assert timedelta(0) <= web.clock.now() - detail["lastRecordedPullTime"] < timedelta(minutes=1)
    await web.http("GET", "/v2/web/manifests/latest")
    assert await web.pulls.moments.flush() == 0
    web.clock.offset = timedelta(hours=1)
    await web.api("BatchGetImage", {**WEB, "imageIds": [{"imageTag": "latest"}]})
    assert await web.pulls.moments.flush() == 1


async def test_batch_get_image(web: Harness) -> None:
    digest = await web.push_image("web", "v1")
    ids = [
        {"imageTag": "v1"},
        {"imageDigest": digest},
        {"imageDigest": digest, "imageTag": "v1"},
        {"imageTag": "none"},
        {"imageDigest": digest_of(b"?")},
        {"imageDigest": digest_of(b"?"), "imageTag": "v1"},
        {"imageDigest": "sha256:x"},
        {},
    ]
    answer = await web.api("BatchGetImage", {**WEB, "imageIds": ids})
    manifest = await _manifest(web, "v1")
    assert [image["imageId"] for image in answer["images"]] == [
        {"imageDigest": digest, "imageTag": "v1"},
        {"imageDigest": digest},
    ]
    assert {image["imageManifest"] for image in answer["images"]} == {manifest}
    assert [failure["failureCode"] for failure in answer["failures"]] == [
        "ImageNotFound",
        "ImageNotFound",
        "ImageTagDoesNotMatchDigest",
        "InvalidImageDigest",
        "MissingDigestAndTag",
    ]
    assert answer["failures"][0]["failureReason"] == "Requested image not found"
    only_docker = {"acceptedMediaTypes": ["application/vnd.docker.distribution.manifest.v2+json"]}
    answer = await web.api("BatchGetImage", {**WEB, "imageIds": ids[:1], **only_docker})
    assert [failure["failureCode"] for failure in answer["failures"]] == ["ImageNotFound"]


async def test_batch_get_image_has_a_bound(web: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    await web.push_image("web", "v1")
    size = len(await _manifest(web, "v1"))
    for number in range(2, 5):
        await web.api("PutImage", {**WEB, "imageManifest": await _manifest(web, "v1"), "imageTag": f"v{number}"})
    asked = {**WEB, "imageIds": [{"imageTag": f"v{number}"} for number in range(1, 5)]}
    monkeypatch.setattr(image_manifests, "MAX_ANSWER_BYTES", 4 * size)
    assert len((await web.api("BatchGetImage", asked))["images"]) == 4
    monkeypatch.setattr(image_manifests, "MAX_ANSWER_BYTES", 4 * size - 1)
    before = await web.pulls.moments.flush()
    assert before == 1
    with pytest.raises(errors.LimitExceededException, match=f"more than {4 * size - 1} bytes"):
        await web.api("BatchGetImage", asked)
    assert await web.pulls.moments.flush() == 0, "nothing was pulled"


async def test_put_image_retags_and_refuses_repeats(web: Harness) -> None:
    digest = await web.push_image("web", "v1")
    manifest = await _manifest(web, "v1")
    answer = await web.api("PutImage", {**WEB, "imageManifest": manifest, "imageTag": "v2"})
    assert answer["image"]["imageId"] == {"imageDigest": digest, "imageTag": "v2"}
    for repeat in ({"imageTag": "v2"}, {}):
        with pytest.raises(errors.ImageAlreadyExistsException):
            await web.api("PutImage", {**WEB, "imageManifest": manifest, **repeat})
    with pytest.raises(errors.ImageDigestDoesNotMatchException):
        await web.api("PutImage", {**WEB, "imageManifest": manifest, "imageDigest": digest_of(b"?")})
    with pytest.raises(errors.InvalidParameterException) as invalid:
        await web.api("PutImage", {**WEB, "imageManifest": "{", "imageTag": "v3"})
    assert invalid.value.message == (
        "Invalid parameter at 'imageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
    )
    missing = image_manifest(b"{}", [b"nowhere"]).decode()
    with pytest.raises(errors.LayersNotFoundException):
        await web.api("PutImage", {**WEB, "imageManifest": missing})
    index = index_manifest([b"nowhere"]).decode()
    with pytest.raises(errors.ReferencedImagesNotFoundException):
        await web.api("PutImage", {**WEB, "imageManifest": index})


async def _built(ecr: Harness, name: str, build: int) -> str:
    """A manifest whose content is in a repository, and that is not pushed yet."""
    for content in (b"{}", b"layer"):
        await ecr.push_blob(name, content)
    return image_manifest(b"{}", [b"layer"], annotations={"build": str(build)}).decode()


async def _named(ecr: Harness, name: str, tag: str) -> str:
    """Which image a tag names."""
    request = {"repositoryName": name, "imageIds": [{"imageTag": tag}]}
    (image,) = (await ecr.api("DescribeImages", request))["imageDetails"]
    return str(image["imageDigest"])


async def test_put_image_moves_no_immutable_tag(ecr: Harness) -> None:
    await ecr.create_repository("web", imageTagMutability="IMMUTABLE")
    first = await ecr.push_image("web", "v1")
    manifest = await _built(ecr, "web", 2)
    with pytest.raises(errors.ImageTagAlreadyExistsException) as refused:
        await ecr.api("PutImage", {**WEB, "imageManifest": manifest, "imageTag": "v1"})
    assert refused.value.message == (
        "The image tag 'v1' already exists in the 'web' repository and cannot be overwritten because the tag is immutable."
    )
    assert [i["imageDigest"] for i in (await ecr.api("ListImages", WEB))["imageIds"]] == [first]
    same = await _manifest(ecr, "v1")
    with pytest.raises(errors.ImageAlreadyExistsException):
        await ecr.api("PutImage", {**WEB, "imageManifest": same, "imageTag": "v1"})
    await ecr.api("PutImage", {**WEB, "imageManifest": manifest, "imageTag": "v2"})
    assert (await _named(ecr, "web", "v1"), await _named(ecr, "web", "v2")) == (first, digest_of(manifest.encode()))


@pytest.mark.parametrize(
    ("setting", "fixed", "moving"),
    [("IMMUTABLE_WITH_EXCLUSION", "v1", "dev-1"), ("MUTABLE_WITH_EXCLUSION", "dev-1", "v1")],
)
async def test_put_image_heeds_exclusion_filters(ecr: Harness, setting: str, fixed: str, moving: str) -> None:
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    await ecr.create_repository("web", imageTagMutability=setting, imageTagMutabilityExclusionFilters=filters)
    before = await ecr.push_image("web", fixed)
    assert await ecr.push_image("web", moving) == before
    manifest = await _built(ecr, "web", 2)
    with pytest.raises(errors.ImageTagAlreadyExistsException) as refused:
        await ecr.api("PutImage", {**WEB, "imageManifest": manifest, "imageTag": fixed})
    assert f"The image tag '{fixed}' already exists in the 'web' repository" in refused.value.message
    after = (await ecr.api("PutImage", {**WEB, "imageManifest": manifest, "imageTag": moving}))["image"]["imageId"]
    assert after == {"imageDigest": digest_of(manifest.encode()), "imageTag": moving}
    assert await _named(ecr, "web", fixed) == before
    assert await _named(ecr, "web", moving) == after["imageDigest"]


async def test_batch_delete_image(web: Harness) -> None:
    digest = await web.push_image("web", "a", b"one")
    await web.push_image("web", "b", b"one")
    index = index_manifest([(await _manifest(web, "a")).encode()])
    await web.push_manifest("web", "list", index)

    async def delete(*ids: dict[str, str]) -> Any:
        return await web.api("BatchDeleteImage", {**WEB, "imageIds": list(ids)})

    assert (await delete({"imageTag": "a"}))["imageIds"] == [{"imageDigest": digest, "imageTag": "a"}]
    for image_id in ({"imageTag": "b"}, {"imageDigest": digest}):
        (failure,) = (await delete(image_id))["failures"]
        assert failure["failureCode"] == "ImageReferencedByManifestList"
        assert digest_of(index) in failure["failureReason"]
    answer = await delete({"imageTag": "list"}, {"imageDigest": digest}, {"imageTag": "none"})
    assert answer["imageIds"] == [
        {"imageDigest": digest_of(index), "imageTag": "list"},
        {"imageDigest": digest, "imageTag": "b"},
    ]
    assert [failure["failureCode"] for failure in answer["failures"]] == ["ImageNotFound"]
    assert (await web.api("ListImages", WEB))["imageIds"] == []


async def test_unknown_repository(ecr: Harness) -> None:
    for operation, request in [
        ("ListImages", {}),
        ("DescribeImages", {}),
        ("BatchGetImage", {"imageIds": [{"imageTag": "a"}]}),
        ("BatchDeleteImage", {"imageIds": [{"imageTag": "a"}]}),
        ("PutImage", {"imageManifest": "{}"}),
        ("BatchCheckLayerAvailability", {"layerDigests": [digest_of(b"")]}),
        ("InitiateLayerUpload", {}),
        ("GetDownloadUrlForLayer", {"layerDigest": digest_of(b"")}),
    ]:
        with pytest.raises(errors.RepositoryNotFoundException):
            await ecr.api(operation, {"repositoryName": "none", **request})


async def test_every_detail_of_an_image_but_those_of_scans(web: Harness) -> None:
    """A signature that was pulled, archived and restored has them all."""
    subject = await web.push_image("web", "v1")
    config = b"{}"
    await web.push_blob("web", config)
    manifest = (await web.http("GET", "/v2/web/manifests/v1")).body
    refers = {"mediaType": OCI_MANIFEST, "digest": subject, "size": len(manifest)}
    signature = image_manifest(config, [], artifactType="application/vnd.example.signature", subject=refers)
    assert (await web.push_manifest("web", "sig", signature)).status == 201
    await web.http("GET", "/v2/web/manifests/sig")
    await web.pulls.moments.flush()
    image_id = {"imageDigest": digest_of(signature)}
    for storage_class in ("ARCHIVE", "STANDARD"):
        request = {**WEB, "imageId": image_id, "targetStorageClass": storage_class}
        await web.api("UpdateImageStorageClass", request)
        web.clock.offset += timedelta(seconds=1)
    await web.store.run(activate_images)
    (detail,) = (await web.api("DescribeImages", {**WEB, "imageIds": [image_id]}))["imageDetails"]
    of_scans = {"imageScanStatus", "imageScanFindingsSummary", "signingStatuses"}
    shape = service_model("ecr").shape_for("ImageDetail")
    assert isinstance(shape, StructureShape)
    every = set(shape.members)
    assert every - set(detail) <= of_scans
    assert detail["subjectManifestDigest"] == subject
    assert detail["artifactMediaType"] == "application/vnd.example.signature"
    assert (detail["imageSizeInBytes"], detail["imageTags"]) == (len(config), ["sig"])
    times = [detail[f"last{which}"] for which in ("RecordedPullTime", "ArchivedAt", "ActivatedAt")]
    assert detail["imagePushedAt"] <= times[0] <= times[1] <= times[2] <= web.clock.now()


async def test_filters_of_describe_images(web: Harness) -> None:
    tagged, archived = await web.push_image("web", "v1", b"1"), await web.push_image("web", "v2", b"2")
    untagged = await web.push_image("web", "v3", b"3")
    await web.http("DELETE", "/v2/web/manifests/v3")
    await web.api("UpdateImageStorageClass", {**WEB, "imageId": {"imageTag": "v2"}, "targetStorageClass": "ARCHIVE"})
    for chosen, expected in [
        (None, {tagged, untagged}),
        ({"tagStatus": "TAGGED"}, {tagged}),
        ({"tagStatus": "UNTAGGED"}, {untagged}),
        ({"tagStatus": "ANY"}, {tagged, untagged}),
        ({"imageStatus": "ARCHIVED"}, {archived}),
        ({"imageStatus": "ACTIVE"}, {tagged, untagged}),
        ({"imageStatus": "ACTIVATING"}, set[str]()),
        ({"imageStatus": "ANY"}, {tagged, untagged, archived}),
        ({"imageStatus": "ANY", "tagStatus": "TAGGED"}, {tagged, archived}),
    ]:
        request = WEB if chosen is None else {**WEB, "filter": chosen}
        found = {image["imageDigest"] for image in (await web.api("DescribeImages", request))["imageDetails"]}
        assert found == expected, chosen
        ids = (await web.api("ListImages", request))["imageIds"]
        assert {image_id["imageDigest"] for image_id in ids} == expected, chosen
