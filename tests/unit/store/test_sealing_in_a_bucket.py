"""A blob that came in several requests is put together when it is sealed: whole, whatever fails meanwhile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from obstore.store import MemoryStore, S3Store

from roadstead.store import open_store
from roadstead.store.blobs import Digest, StorageUnavailable
from roadstead.store.blobs.s3 import PART, S3BlobStore


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[S3BlobStore]:
    async with await open_store(f"sqlite:///{tmp_path / 'db'}") as store:
        await store.create_all()
        yield S3BlobStore(store, cast("S3Store", MemoryStore()))


@pytest.mark.parametrize("readable", [0, 1, PART, PART + 1])
async def test_what_can_not_be_read_to_its_end_is_not_sealed(
    readable: int, blobs: S3BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(2 * PART)
    digest = Digest.parse(f"sha256:{hashlib.sha256(data).hexdigest()}")
    upload = await blobs.create_upload()
    for start in (0, PART):
        await blobs.append(upload, start, data[start : start + PART])
    left, read = readable, blobs.open_range

    async def breaking_off(location: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        nonlocal left
        async for chunk in read(location, start, end):
            yield chunk[:left]
            left -= min(left, len(chunk))
            if not left:
                raise StorageUnavailable("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "open_range", breaking_off)
        with pytest.raises(StorageUnavailable):
            await blobs.seal(upload, digest)
    assert len([info async for info in blobs.list()]) == 2, "the pieces alone"
    sealed = await blobs.seal(upload, digest)
    assert b"".join([chunk async for chunk in blobs.open_range(sealed.location)]) == data
