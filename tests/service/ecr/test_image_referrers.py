"""ListImageReferrers: what refers to an image, whatever became of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.registry.harness import ACCOUNT, OCI_MANIFEST, Harness, digest_of, image_manifest

from roadstead.services.ecr import errors
from roadstead.services.ecr.api import activate_images

WEB = {"repositoryName": "web"}
SIGNATURE = "application/vnd.example.signature"
BILL = "application/vnd.example.bill-of-materials"
SUBJECT = digest_of(b"an image that is not here")


@pytest.fixture
async def web(ecr: Harness) -> Harness:
    await ecr.create_repository("web")
    await ecr.push_blob("web", b"{}")
    return ecr


async def refer(web: Harness, to: str, artifact_type: str, number: int = 0) -> bytes:
    """Push a manifest that refers to an image; its bytes."""
    subject = {"mediaType": OCI_MANIFEST, "digest": to, "size": 1000}
    annotations = {"org.example.number": str(number)}
    manifest = image_manifest(b"{}", [], artifactType=artifact_type, subject=subject, annotations=annotations)
    answer = await web.push_manifest("web", digest_of(manifest), manifest)
    assert answer.status == 201, answer
    return manifest


async def answer_of(web: Harness, subject: str = SUBJECT, **more: object) -> Any:
    return await web.api("ListImageReferrers", {**WEB, "subjectId": {"imageDigest": subject}, **more})


async def listed(web: Harness, subject: str = SUBJECT, **more: object) -> list[str]:
    answer = await answer_of(web, subject, **more)
    assert "nextToken" not in answer
    return [referrer["digest"] for referrer in answer["referrers"]]


async def test_what_is_said_of_a_referrer(web: Harness) -> None:
    image = await web.push_image("web", "v1")
    manifest = await refer(web, image, SIGNATURE, 7)
    assert await answer_of(web, image) == {
        "referrers": [
            {
                "digest": digest_of(manifest),
                "mediaType": OCI_MANIFEST,
                "artifactType": SIGNATURE,
                "size": len(manifest),
                "annotations": {"org.example.number": "7"},
                "artifactStatus": "ACTIVE",
            }
        ]
    }


async def test_which_subjects_have_referrers(web: Harness) -> None:
    """The image need not be here, but the repository; and what refers to another image is not listed."""
    image = await web.push_image("web", "v1")
    await web.create_repository("api")
    assert await listed(web) == await listed(web, image) == []
    manifest = await refer(web, SUBJECT, SIGNATURE)
    assert await listed(web) == [digest_of(manifest)]
    assert await listed(web, image) == []
    assert await listed(web, repositoryName="api") == []
    await web.http("DELETE", f"/v2/web/manifests/{digest_of(manifest)}")
    assert await listed(web) == []
    with pytest.raises(errors.RepositoryNotFoundException) as missing:
        await answer_of(web, repositoryName="none")
    assert missing.value.message == (
        f"The repository with name 'none' does not exist in the registry with id '{ACCOUNT}'"
    )


@pytest.mark.parametrize("digest", ["sha256:abc", "v1", "md5:d41d8cd98f00b204e9800998ecf8427e", "SHA256:" + "a" * 64])
async def test_a_subject_that_is_no_digest(web: Harness, digest: str) -> None:
    with pytest.raises(errors.InvalidParameterException) as refused:
        await answer_of(web, digest)
    assert refused.value.message == (
        "Invalid parameter at 'subjectId.imageDigest' failed to satisfy constraint: 'must be a sha256 or sha512 digest'"
    )


async def test_filters(web: Harness) -> None:
    signature, bill, archived = [
        digest_of(await refer(web, SUBJECT, kind, number)) for number, kind in enumerate((SIGNATURE, BILL, SIGNATURE))
    ]
    move = {**WEB, "imageId": {"imageDigest": archived}}
    await web.api("UpdateImageStorageClass", {**move, "targetStorageClass": "ARCHIVE"})
    for chosen, expected in [
        ({}, {signature, bill}),
        ({"artifactStatus": "ACTIVE"}, {signature, bill}),
        ({"artifactStatus": "ARCHIVED"}, {archived}),
        ({"artifactStatus": "ACTIVATING"}, set[str]()),
        ({"artifactStatus": "ANY"}, {signature, bill, archived}),
        ({"artifactTypes": [SIGNATURE]}, {signature}),
        ({"artifactTypes": [SIGNATURE, BILL]}, {signature, bill}),
        ({"artifactTypes": ["application/vnd.example.none"]}, set[str]()),
        ({"artifactTypes": [SIGNATURE], "artifactStatus": "ANY"}, {signature, archived}),
        ({"artifactTypes": [BILL], "artifactStatus": "ARCHIVED"}, set[str]()),
    ]:
        assert await listed(web, filter=chosen) == sorted(expected), chosen
    assert await listed(web) == sorted([signature, bill])

    async def status() -> str:
        referrers = (await answer_of(web, filter={"artifactStatus": "ANY"}))["referrers"]
        (found,) = [referrer for referrer in referrers if referrer["digest"] == archived]
        return str(found["artifactStatus"])

    assert await status() == "ARCHIVED"
    await web.api("UpdateImageStorageClass", {**move, "targetStorageClass": "STANDARD"})
    assert await listed(web, filter={"artifactStatus": "ACTIVATING"}) == [archived]
    assert await status() == "ACTIVATING"
    await web.store.run(activate_images)
    assert await listed(web) == sorted([signature, bill, archived])


async def test_pages(web: Harness) -> None:
    """A page is of 20 where the request says nothing (API reference), and a token is good for its own request alone."""
    digests = sorted([digest_of(await refer(web, SUBJECT, SIGNATURE, number)) for number in range(21)])
    first = await answer_of(web)
    assert [referrer["digest"] for referrer in first["referrers"]] == digests[:20]
    assert await listed(web, nextToken=first["nextToken"]) == digests[20:]
    assert await listed(web, maxResults=50) == digests

    seen: list[str] = []
    request: dict[str, Any] = {"maxResults": 8}
    sizes: list[int] = []
    while True:
        page = await answer_of(web, **request)
        seen += [referrer["digest"] for referrer in page["referrers"]]
        sizes.append(len(page["referrers"]))
        if "nextToken" not in page:
            break
        request["nextToken"] = page["nextToken"]
    assert seen == digests
    assert sizes == [8, 8, 5]

    other_filter = {"filter": {"artifactTypes": [BILL]}}
    for subject, more in [(digest_of(b"another"), {}), (SUBJECT, other_filter)]:
        with pytest.raises(errors.InvalidParameterException) as refused:
            await answer_of(web, subject, nextToken=first["nextToken"], **more)
        assert refused.value.message == (
            "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'"
        )


async def test_pages_are_bounded_by_their_bytes(web: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roadstead.services.ecr.referrers.PAGE_BYTES", 40_000)
    subject = await web.push_image("web", "v1")
    await web.push_blob("web", b"{}")
    about = {"subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}}
    pushed: set[str] = set()
    for number, length in enumerate([10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 90_000]):
        annotations = {"number": str(number), "text": "x" * length}
        answer = await web.push_manifest(
            "web", f"r{number}", image_manifest(b"{}", [], annotations=annotations, **about)
        )
        assert answer.status == 201
        pushed.add(answer.headers["docker-content-digest"])

    found: list[str] = []
    path: str | None = f"/v2/web/referrers/{subject}"
    while path is not None:
        answer = await web.http("GET", path)
        listed = answer.json["manifests"]
        assert len(listed) == 1 or len(answer.body) <= 40_000
        found += [each["digest"] for each in listed]
        path = answer.headers["link"].partition(">")[0][1:] if "link" in answer.headers else None
    assert (set(found), len(found)) == (pushed, len(pushed))

    found, request = [], {"repositoryName": "web", "subjectId": {"imageDigest": subject}}
    while True:
        page = await web.api("ListImageReferrers", request)
        assert 1 <= len(page["referrers"]) <= 3
        found += [each["digest"] for each in page["referrers"]]
        if "nextToken" not in page:
            break
        request = {**request, "nextToken": page["nextToken"]}
    assert (set(found), len(found)) == (pushed, len(pushed))
