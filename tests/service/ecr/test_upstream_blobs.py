"""How much of a blob is taken from an upstream, which may send anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.service.ecr.caches import Both, both_registries
from tests.service.registry.harness import Answer, image_manifest
from tests.support.store import store_url

from roadstead.services.ecr.tables import blob_links, contents, uploads

assert store_url

MIB = 1024 * 1024


@pytest.fixture
async def both(both: Both) -> Both:
    """With a rule."""
    await both.rule()
    return both


async def assert_nothing_is_left(both: Both, root: Path) -> None:
    assert [file for file in root.rglob("*") if file.is_file() and {"uploads", "blobs"} & {*file.parts}] == []
    async with both.ecr.store.snapshot() as tx:
        for table in (blob_links, contents):
            assert (await tx.execute(select(func.count()).select_from(table))).scalar() == 0
        going_on = select(func.count()).select_from(uploads).where(uploads.c.ended_at.is_(None))
        assert (await tx.execute(going_on)).scalar() == 0


async def test_a_blob_that_does_not_end_is_cut_off_at_its_size(both: Both, tmp_path: Path) -> None:
    await both.upstream.push_image("team/web", "v1")
    both.front.endless = True
    refused = await both.pull("v1")
    assert (refused.status, refused.error) == (502, "UNAVAILABLE")
    assert "sends more than" in refused.body.decode()
    assert both.front.sent < 32 * MIB, "more was taken than the network's buffers hold"
    await assert_nothing_is_left(both, tmp_path / "own")
    both.front.endless = False
    assert (await both.pull("v1")).status == 200


async def test_a_layer_is_no_larger_than_a_layer_may_be(tmp_path: Path, store_url: str) -> None:
    """Whatever its manifest says: that it is larger, so that none of it is asked for, or nothing."""
    async with both_registries(tmp_path, store_url, ecr_quotas={"LayerBytes": 1000}) as both:
        await both.rule()
        config, layer = b"{}", b"x" * 1001
        for content in (config, layer):
            await both.upstream.push_blob("team/web", content)
        manifest = image_manifest(config, [layer])
        await both.upstream.push_manifest("team/web", "v1", manifest)
        refused = await both.pull("v1")
        assert (refused.status, refused.error) == (429, "TOOMANYREQUESTS")
        assert not [asked for asked in both.front.asked if "/blobs/" in asked]
        silent = json.loads(manifest)
        del silent["layers"][0]["size"]
        kind = {"content-type": silent["mediaType"]}
        both.front.manifest = Answer(200, kind, json.dumps(silent).encode())
        both.front.endless = True
        refused = await both.pull("v1")
        assert (refused.status, refused.error) == (502, "UNAVAILABLE")
        assert both.front.sent < 32 * MIB
        await assert_nothing_is_left(both, tmp_path / "own")
