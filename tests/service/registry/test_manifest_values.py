"""Numbers and texts in manifests that are well formed and still can't be meant."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from tests.service.registry.harness import (
    OCI_LAYER,
    OCI_MANIFEST,
    Harness,
    descriptor,
    digest_of,
    image_manifest,
    index_manifest,
)

from roadstead.services.ecr.errors import InvalidParameterException

CONFIG, LAYER = b"{}", b"layer"


@pytest.fixture
async def web(web: Harness) -> Harness:
    for content in (CONFIG, LAYER):
        await web.push_blob("web", content)
    return web


def _image(layer: Mapping[str, object], **more: object) -> bytes:
    image = json.loads(image_manifest(CONFIG, [], **more))
    return json.dumps({**image, "layers": [{**descriptor(OCI_LAYER, LAYER), **layer}]}).encode()


async def _size(web: Harness, tag: str) -> int:
    found = await web.api("DescribeImages", {"repositoryName": "web", "imageIds": [{"imageTag": tag}]})
    return int(found["imageDetails"][0]["imageSizeInBytes"])


@pytest.mark.parametrize("size", [2**63 - 1, 2**63, 2**64, 10**30, -1, 1.5, "7"])
async def test_sizes_that_no_blob_has(web: Harness, size: object) -> None:
    image = _image({"size": size})
    answer = await web.push_manifest("web", "v1", image)
    assert (answer.status, answer.error) == (400, "MANIFEST_INVALID")
    with pytest.raises(InvalidParameterException):
        await web.api("PutImage", {"repositoryName": "web", "imageManifest": image.decode()})


async def test_sizes_of_a_list_and_of_a_subject(web: Harness) -> None:
    child = _image({})
    assert (await web.push_manifest("web", "child", child)).status == 201
    large = json.loads(index_manifest([child]))
    large["manifests"][0]["size"] = 2**63
    subject = {**descriptor(OCI_MANIFEST, child), "size": 10**30}
    for refused in (json.dumps(large).encode(), _image({}, subject=subject), index_manifest([child], subject=subject)):
        answer = await web.push_manifest("web", "v1", refused)
        assert (answer.status, answer.error) == (400, "MANIFEST_INVALID")


async def test_an_image_is_as_large_as_its_blobs(web: Harness) -> None:
    elsewhere = "application/vnd.oci.image.layer.nondistributable.v1.tar"
    layers = {
        "right": {},
        "wrong": {"size": 10**15},
        "unsaid": {"size": 0},
        "foreign": {"mediaType": elsewhere, "urls": ["https://example.com/layer"], "size": 1000},
    }
    for tag, layer in layers.items():
        assert (await web.push_manifest("web", tag, _image(layer))).status == 201
    whole = len(CONFIG) + len(LAYER)
    assert [await _size(web, tag) for tag in layers] == [whole, whole, whole, len(CONFIG) + 1000]


async def test_media_types_in_other_letters(web: Harness) -> None:
    headers = {"Content-Type": OCI_MANIFEST.replace("application", "APPLICATION") + "; charset=utf-8"}
    assert (await web.http("PUT", "/v2/web/manifests/v1", _image({}), headers)).status == 201
    answer = await web.http("GET", "/v2/web/manifests/v1")
    assert (answer.headers["content-type"], answer.body) == (OCI_MANIFEST, _image({}))


@pytest.mark.parametrize("text", ["x" * 256, "a\0b", "a\nb"])
async def test_artifact_types_that_no_type_is(web: Harness, text: str) -> None:
    image = _image({}, artifactType=text)
    answer = await web.push_manifest("web", "v1", image)
    assert (answer.status, answer.error) == (400, "MANIFEST_INVALID")
    with pytest.raises(InvalidParameterException):
        await web.api("PutImage", {"repositoryName": "web", "imageManifest": image.decode()})


async def test_annotations_may_have_any_text(web: Harness) -> None:
    image = _image({}, annotations={"a\0b": "\0", "k": "\ud83d\udea2"})
    assert (await web.push_manifest("web", "v1", image)).status == 201
    assert (await web.http("GET", "/v2/web/manifests/v1")).body == image


@pytest.mark.parametrize(
    "path",
    [
        "/v2/web/tags/list?last=%00",
        "/v2/web/tags/list?last=" + "t" * 5000,
        f"/v2/web/referrers/{digest_of(b'x')}?artifactType=%00",
        f"/v2/web/referrers/{digest_of(b'x')}?last=%00",
        f"/v2/web/referrers/{digest_of(b'x')}?artifactType=" + "t" * 5000,
        "/v2/web/blobs/uploads/%00",
        "/v2/web/blobs/uploads/" + "a" * 5000,
        "/v2/web/manifests/a%00b",
        "/v2/_catalog?last=%00",
        "/v2/_layers/%00",
        "/v2/_token?service=%00",
        "/v2/web/tags/list?ns=%00",
    ],
)
async def test_texts_in_a_path_and_its_query(web: Harness, path: str) -> None:
    assert (await web.http("GET", path)).status < 500


async def test_texts_of_a_public_path(web: Harness) -> None:
    for path in ("/v2/%00/web/tags/list", "/v2/_logos/a%00b/web", "/v2/aliasof/web/tags/list?last=%00"):
        assert 400 <= (await web.http("GET", path, host="public.ecr.aws", token=None)).status < 500


@pytest.mark.parametrize("member", [b'"x": "\xff"', b'"\xff": 1', b'"x": "\xed\xa0\x80"'])
async def test_bytes_that_are_no_text(web: Harness, member: bytes) -> None:
    """BatchGetImage has to give out every manifest as a text."""
    image = _image({})
    broken, headers = image[:-1] + b", " + member + b"}", {"Content-Type": OCI_MANIFEST}
    answer = await web.http("PUT", "/v2/web/manifests/v1", broken, headers)
    assert (answer.status, answer.error) == (400, "MANIFEST_INVALID")
    assert (await web.push_manifest("web", "v1", image[:-1] + ', "x": "\u00e9"}'.encode())).status == 201
    (found,) = (await web.api("BatchGetImage", {"repositoryName": "web", "imageIds": [{"imageTag": "v1"}]}))["images"]
    assert found["imageManifest"].endswith('"\u00e9"}')
