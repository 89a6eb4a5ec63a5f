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
