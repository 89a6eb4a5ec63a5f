"""The database's disk is full while images are put and fetched: clients are told to come again, and nothing is half done."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.service.ecr.caches import both_registries
from tests.service.registry.harness import Harness, image_manifest, running_registry
from tests.support.mounts import small_tmpfs

from roadstead.store import CommitFailed, StoreBusy, StoreUnavailable

REFUSED = (CommitFailed, StoreBusy, StoreUnavailable)


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 16 MiB. Needs root."""
    with small_tmpfs(tmp_path / "small", mebibytes=16) as place:
        yield place


@contextmanager
def full(disk: Path) -> Generator[None]:
    """Not one page is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    try:
        yield
    finally:
        filler.unlink()


async def _large_image(registry: Harness) -> bytes:
    """An image whose manifest is larger than what a database has in reserve."""
    for content in (b"{}", b"layer"):
        await registry.push_blob("web", content)
    return image_manifest(b"{}", [b"layer"], annotations={"filling": os.urandom(500_000).hex()})


async def test_an_image_is_put_whole_or_not_at_all(small_disk: Path) -> None:
    async with running_registry(small_disk) as registry:
        await registry.create_repository("web")
        manifest = await _large_image(registry)
        request = {"repositoryName": "web", "imageManifest": manifest.decode(), "imageTag": "api"}
        with full(small_disk):
            refused = await registry.push_manifest("web", "v1", manifest)
            assert (refused.status, refused.error) == (503, "UNAVAILABLE")
            with pytest.raises(REFUSED):
                await registry.api("PutImage", request)
            assert (await registry.http("GET", "/v2/web/manifests/v1")).status == 404
        assert (await registry.api("ListImages", {"repositoryName": "web"}))["imageIds"] == []
        assert (await registry.push_manifest("web", "v1", manifest)).status == 201
        await registry.api("PutImage", request)
        assert (await registry.http("GET", "/v2/web/manifests/v1")).body == manifest


async def test_a_cache_fetches_when_there_is_room_again(small_disk: Path, tmp_path: Path) -> None:
    for name in ("upstream", "own"):
        (small_disk / name).mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (small_disk / "upstream").rmdir()
    (small_disk / "upstream").symlink_to(elsewhere)
    async with both_registries(small_disk, None) as both:
        await both.rule()
        await both.upstream.create_repository("web")
        manifest = await _large_image(both.upstream)
        assert (await both.upstream.push_manifest("web", "v1", manifest)).status == 201
        with full(small_disk):
            refused = await both.pull("v1", "cache/web")
            assert refused.status in (503, 507), refused
        pulled = await both.pull("v1", "cache/web")
        assert (pulled.status, pulled.body) == (200, manifest)
        for part in (pulled.json["config"], *pulled.json["layers"]):
            assert (await both.ecr.http("GET", f"/v2/cache/web/blobs/{part['digest']}")).status == 200
