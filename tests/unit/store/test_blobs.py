from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.mounts import small_tmpfs
from tests.unit.store.pouring import Poured

from roadstead.store.blobs import (
    BlobStore,
    BlobUnknown,
    Digest,
    DigestMismatch,
    DiskBlobStore,
    InvalidDigest,
    OffsetMismatch,
    StorageFull,
    UploadUnknown,
    files,
)


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[DiskBlobStore]:
    store = DiskBlobStore(tmp_path / "blobs")
    yield store
    await store.close()


def digest_of(data: bytes, algorithm: str = "sha256") -> Digest:
    return Digest.parse(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def content(store: BlobStore, location: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.open_range(location, start, end)])


async def put(store: BlobStore, data: bytes) -> str:
    upload = await store.create_upload()
    await store.append(upload, 0, data)
    sealed = await store.seal(upload, digest_of(data))
    assert sealed.size == len(data)
    return sealed.location


def files_under(path: Path) -> list[Path]:
    return [found for found in path.rglob("*") if found.is_file()]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize(
    ("size", "piece"), [(0, 1), (1, 1), (5000, 7), (3 << 20, 65536), ((5 << 20) + 13, (2 << 20) + 1)]
)
async def test_what_is_put_in_comes_out(blobs: DiskBlobStore, algorithm: str, size: int, piece: int):
    data = random.Random(size).randbytes(size)
    digest = digest_of(data, algorithm)
    upload = await blobs.create_upload()
    middle = size // 2
    assert await blobs.append(upload, 0, pieces(data[:middle], piece)) == middle
    assert (await blobs.upload_status(upload)).size == middle
    assert await blobs.append(upload, middle, data[middle:]) == size
    sealed = await blobs.seal(upload, digest)
    assert sealed.size == size
    location = sealed.location
    assert await content(blobs, location) == data
    assert await content(blobs, location, size // 3, size // 2) == data[size // 3 : size // 2]
    assert await content(blobs, location, size + 5) == b""
    found = await blobs.stat(location)
    assert found is not None
    assert (found.size, found.upload) == (size, upload)
    path = blobs.local_path(location)
    assert path is not None
    assert path.read_bytes() == data
    assert [info async for info in blobs.list()] == [found]
    assert await blobs.presign(location) is None
    with pytest.raises(UploadUnknown):
        await blobs.upload_status(upload)


async def test_a_wrong_digest_leaves_the_upload_and_no_blob(blobs: DiskBlobStore):
    upload = await blobs.create_upload()
    await blobs.append(upload, 0, b"hello")
    with pytest.raises(DigestMismatch):
        await blobs.seal(upload, digest_of(b"other"))
    assert [info async for info in blobs.list()] == []
    assert (await blobs.seal(upload, digest_of(b"hello"))).size == 5


async def test_a_wrong_offset_says_where_the_upload_ends(blobs: DiskBlobStore):
    upload = await blobs.create_upload()
    await blobs.append(upload, 0, b"hello")
    for offset in (0, 4, 6):
        with pytest.raises(OffsetMismatch) as caught:
            await blobs.append(upload, offset, b"x")
        assert caught.value.size == 5


async def test_appends_at_the_same_time_do_not_mix(blobs: DiskBlobStore):
    upload = await blobs.create_upload()
    outcomes = await asyncio.gather(
        *(blobs.append(upload, 0, pieces(letter * 3_000_000, 50_000)) for letter in (b"a", b"b")),
        return_exceptions=True,
    )
    assert outcomes[0] == 3_000_000
    assert isinstance(outcomes[1], OffsetMismatch)
    assert (await blobs.seal(upload, digest_of(b"a" * 3_000_000))).size == 3_000_000


async def test_an_upload_that_breaks_off_goes_on_later(blobs: DiskBlobStore):
    data = os.urandom(4 << 20)

    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces(data[: 3 << 20], 100_000):
            yield piece
        raise ConnectionResetError

    upload = await blobs.create_upload()
    with pytest.raises(ConnectionResetError):
        await blobs.append(upload, 0, broken())
    received = (await blobs.upload_status(upload)).size
    assert received == 3 << 20
    await blobs.append(upload, received, data[received:])
    await blobs.seal(upload, digest_of(data))


async def test_poured_content_is_like_any_other(blobs: DiskBlobStore, monkeypatch: pytest.MonkeyPatch):
    data = os.urandom(3_000_000)
    upload = await blobs.create_upload()
    assert await blobs.append(upload, 0, Poured(data[:1_500_000])) == 1_500_000
    with pytest.raises(ConnectionError):
        await blobs.append(upload, 1_500_000, Poured(data[1_500_000:2_000_000], end=ConnectionError("gone")))
    assert (await blobs.upload_status(upload)).size == 2_000_000
    assert await blobs.append(upload, 2_000_000, data[2_000_000:2_500_000]) == 2_500_000
    await blobs.append(upload, 2_500_000, Poured(data[2_500_000:]))

    def unused(path: Path, algorithm: str) -> None:
        raise AssertionError("the hash is at hand")

    monkeypatch.setattr(files, "hash_file", unused)
    sealed = await blobs.seal(upload, digest_of(data))
    assert await content(blobs, sealed.location) == data


async def test_a_cancelled_append_leaves_hash_and_file_in_step(blobs: DiskBlobStore):
    data = os.urandom(6 << 20)
    arrived = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        async for piece in pieces(data[: 5 << 20], 1 << 20):
            yield piece
        arrived.set()
        await asyncio.Event().wait()

    upload = await blobs.create_upload()
    task = asyncio.create_task(blobs.append(upload, 0, stalling()))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    received = (await blobs.upload_status(upload)).size
    await blobs.append(upload, received, data[received:])
    await blobs.seal(upload, digest_of(data))


async def test_a_restart_in_the_middle(blobs: DiskBlobStore, tmp_path: Path):
    data = os.urandom(2 << 20)
    upload = await blobs.create_upload()
    await blobs.append(upload, 0, data[: 1 << 20])
    later = DiskBlobStore(tmp_path / "blobs")
    await later.append(upload, 1 << 20, data[1 << 20 :])
    assert (await later.seal(upload, digest_of(data))).size == 2 << 20
    await later.close()


async def test_two_processes_may_share_an_upload(blobs: DiskBlobStore, tmp_path: Path):
    other = DiskBlobStore(tmp_path / "blobs")
    upload = await blobs.create_upload()
    await blobs.append(upload, 0, b"one ")
    await other.append(upload, 4, b"two ")
    await blobs.append(upload, 8, b"three")
    assert (await blobs.seal(upload, digest_of(b"one two three"))).size == 13
    await other.close()


async def test_every_upload_gets_a_location_of_its_own(blobs: DiskBlobStore):
    data = os.urandom(1 << 20)
    locations = await asyncio.gather(*(put(blobs, data) for _ in range(6)))
    assert len(set(locations)) == 6
    await blobs.delete(locations[1:])
    assert await content(blobs, locations[0]) == data
    assert [info.location async for info in blobs.list()] == [locations[0]]


async def test_deleting(blobs: DiskBlobStore):
    location = await put(blobs, b"x" * (3 << 20))
    reader = blobs.open_range(location)
    first = await anext(reader)
    await blobs.delete([location, location, "sha256/../../etc/passwd"])
    rest = [chunk async for chunk in reader]
    assert len(first) + sum(map(len, rest)) == 3 << 20
    assert blobs.local_path(location) is None
    with pytest.raises(BlobUnknown):
        await content(blobs, location)


@pytest.mark.parametrize("location", ["", "../uploads/x", "sha256/aa/" + "a" * 64, "sha256/aa/../../x-" + "a" * 32])
async def test_locations_that_were_never_given_out(blobs: DiskBlobStore, location: str):
    with pytest.raises(BlobUnknown):
        await content(blobs, location)


async def test_stale_uploads_expire_and_live_ones_stay(blobs: DiskBlobStore, tmp_path: Path):
    stale, live = await blobs.create_upload(), await blobs.create_upload()
    now = datetime.now(UTC)
    os.utime(tmp_path / "blobs" / "uploads" / stale, (0, 0))
    assert await blobs.expire_uploads(now - timedelta(hours=1)) == 1
    with pytest.raises(UploadUnknown):
        await blobs.append(stale, 0, b"x")
    await blobs.append(live, 0, b"x")
    await blobs.abort(live)
    with pytest.raises(UploadUnknown):
        await blobs.seal(live, digest_of(b"x"))


@pytest.mark.parametrize("upload", ["", "../../etc/passwd", "a/b", "x" * 32, "ä" * 32, "." * 32])
async def test_ids_that_were_never_given_out(blobs: DiskBlobStore, upload: str):
    with pytest.raises(UploadUnknown):
        await blobs.upload_status(upload)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "sha512:" + "a" * 64,
        "md5:" + "a" * 32,
        "sha256:../" + "a" * 61,
    ],
)
def test_what_is_no_digest(text: str):
    with pytest.raises(InvalidDigest):
        Digest.parse(text)


async def test_a_full_disk_is_said_and_nothing_half_is_seen(tmp_path: Path):
    with small_tmpfs(tmp_path / "small", mebibytes=4) as place:
        blobs = DiskBlobStore(place)
        data = os.urandom(6 << 20)
        upload = await blobs.create_upload()
        with pytest.raises(StorageFull):
            await blobs.append(upload, 0, pieces(data, 64 << 10))
        kept = (await blobs.upload_status(upload)).size
        assert 0 < kept <= 4 << 20
        assert [info async for info in blobs.list()] == []
        # What was kept is right, though its running hash had seen the chunk that did not fit, and the upload can go on.
        sealed = await blobs.seal(upload, digest_of(data[:kept]))
        assert sealed.size == kept
        second = await blobs.create_upload()
        with pytest.raises(StorageFull):
            await blobs.append(second, 0, data)
        assert (await blobs.upload_status(second)).size == 0
        await blobs.delete([sealed.location])
        third = await blobs.create_upload()
        with pytest.raises(StorageFull):
            await blobs.append(third, 0, Poured(data))
        kept = (await blobs.upload_status(third)).size
        assert 0 < kept <= 4 << 20
        assert kept % 100_000 == 0, "a piece is there whole or not at all"
        await blobs.seal(third, digest_of(data[:kept]))
        await blobs.delete([f"sha256/{digest_of(data[:kept]).hex[:2]}/{digest_of(data[:kept]).hex}-{third}"])
        assert await blobs.append(second, 0, data[: 2 << 20]) == 2 << 20
        await blobs.close()


@pytest.mark.parametrize(("number", "error"), [(errno.EIO, OSError), (errno.ENOSPC, StorageFull)])
async def test_what_the_disk_did_not_take_is_not_sealed_by_another_try(
    number: int, error: type[Exception], blobs: DiskBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """fsync(2) fails once for pages that are lost, and has nothing to say the next time."""

    def failing(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    upload = await blobs.create_upload()
    await blobs.append(upload, 0, b"content")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(error):
            await blobs.seal(upload, digest_of(b"content"))
    with pytest.raises(UploadUnknown):
        await blobs.seal(upload, digest_of(b"content"))
    assert files_under(tmp_path) == []
    await put(blobs, b"content")
