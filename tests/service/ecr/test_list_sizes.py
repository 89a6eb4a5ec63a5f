"""`imageSizeInBytes` of a manifest list: that of its largest image (ImageDetail of the API reference), whichever of them came first."""

from __future__ import annotations

import pytest
from tests.service.ecr.caches import Both
from tests.service.registry.harness import OCI_INDEX, Harness, descriptor, digest_of, image_manifest, index_manifest
from tests.support.store import store_url

assert store_url

CONFIG = b"{}"


@pytest.fixture
async def both(both: Both) -> Both:
    """With a rule."""
    await both.rule()
    return both


async def sizes(ecr: Harness, name: str) -> dict[str, int]:
    details = (await ecr.api("DescribeImages", {"repositoryName": name}))["imageDetails"]
    return {detail["imageDigest"]: detail["imageSizeInBytes"] for detail in details}


async def push_lists(upstream: Harness) -> tuple[list[bytes], bytes, bytes]:
    """Two images, a list of them, and a list of that one, which is `v1`."""
    children: list[bytes] = []
    for layer in (b"small", b"l" * 100):
        for content in (CONFIG, layer):
            await upstream.push_blob("team/web", content)
        children.append(image_manifest(CONFIG, [layer]))
        await upstream.push_manifest("team/web", digest_of(children[-1]), children[-1])
    inner = index_manifest(children)
    await upstream.push_manifest("team/web", digest_of(inner), inner)
    outer = index_manifest([], manifests=[descriptor(OCI_INDEX, inner)])
    await upstream.push_manifest("team/web", "v1", outer)
    return children, inner, outer


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("inner_last", [True, False])
async def test_a_cached_list_grows_with_its_images(both: Both, order: tuple[int, int], inner_last: bool) -> None:
    children, inner, outer = await push_lists(both.upstream)
    images = [children[index] for index in order]
    assert (await both.pull("v1")).status == 200
    assert (await sizes(both.ecr, "cache/team/web")) == {digest_of(outer): 0}
    for manifest in [*images, inner] if inner_last else [inner, *images]:
        assert (await both.pull(digest_of(manifest))).status == 200
    assert await sizes(both.ecr, "cache/team/web") == await sizes(both.upstream, "team/web")
    assert (await sizes(both.ecr, "cache/team/web"))[digest_of(outer)] == 102
