"""Blobs in a bucket of a real S3 server: the store itself, the registry on it, and the server dying under it."""

from __future__ import annotations

import asyncio
import os
import random
import urllib.request
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import new, sha256
from pathlib import Path

import pytest
from obstore.store import S3Store
from tests.service.registry.harness import Harness, digest_of, running_registry
from tests.support.s3 import S3Server, make_bucket, open_bucket, running_again, running_s3

from roadstead.services.ecr.api import collect_garbage, expire_uploads
from roadstead.store import Store, open_store
from roadstead.store.blobs import (
    BlobUnknown,
    Digest,
    DigestMismatch,
    OffsetMismatch,
    StorageUnavailable,
    UploadUnknown,
)
from roadstead.store.blobs.s3 import PART, S3BlobStore

pytestmark = pytest.mark.usefixtures("s3_server")


@pytest.fixture
def bucket(s3_server: S3Server, tmp_path: Path) -> S3Store:
    return make_bucket(s3_server, f"bucket-{sha256(str(tmp_path).encode()).hexdigest()[:16]}")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path / 'db'}") as store:
        await store.create_all()
        yield store


@pytest.fixture
def blobs(database: Store, bucket: S3Store) -> S3BlobStore:
    return S3BlobStore(database, bucket)


def digest(data: bytes, algorithm: str = "sha256") -> Digest:
    return Digest.parse(f"{algorithm}:{new(algorithm, data).hexdigest()}")


async def pieces(data: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def content(blobs: S3BlobStore, location: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in blobs.open_range(location, start, end)])


async def locations(blobs: S3BlobStore) -> list[str]:
    return [info.location async for info in blobs.list()]


@contextmanager
def counted(server: S3Server) -> Generator[list[str]]:
    """Fills the list with the requests that the server logged while the context lasted."""
    before = len(server.log.read_text().splitlines()) if server.log.exists() else 0
    found: list[str] = []
    yield found
    found += server.log.read_text().splitlines()[before:]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("sizes", [[0], [1], [5000], [PART], [2 * PART + 13], [3, 4], [PART + 1, 0, 5]])
async def test_what_is_put_in_comes_out(blobs: S3BlobStore, algorithm: str, sizes: list[int]) -> None:
    data = random.Random(sum(sizes)).randbytes(sum(sizes))
    upload = await blobs.create_upload()
    end = 0
    for size in sizes:
        assert await blobs.append(upload, end, pieces(data[end : end + size])) == end + size
        end += size
        assert (await blobs.upload_status(upload)).size == end
    sealed = await blobs.seal(upload, digest(data, algorithm))
    assert sealed.size == len(data)
    assert await content(blobs, sealed.location) == data
    third = len(data) // 3
    assert await content(blobs, sealed.location, third, 2 * third) == data[third : 2 * third]
    found = await blobs.stat(sealed.location)
    assert found is not None
    assert (found.upload, found.size) == (upload, len(data))
    assert await locations(blobs) == [sealed.location]  # no piece is left
    with pytest.raises(UploadUnknown):
        await blobs.upload_status(upload)
    await blobs.delete([sealed.location, sealed.location])
    with pytest.raises(BlobUnknown):
        await content(blobs, sealed.location)
    assert await blobs.stat(sealed.location) is None


async def test_requests_that_a_small_blob_costs(blobs: S3BlobStore, s3_server: S3Server) -> None:
    data = os.urandom(1 << 20)
    with counted(s3_server) as push:
        upload = await blobs.create_upload()
        await blobs.append(upload, 0, pieces(data))
        sealed = await blobs.seal(upload, digest(data))
    with counted(s3_server) as pull:
        assert await content(blobs, sealed.location) == data
    with counted(s3_server) as sign:
        await S3BlobStore.presign(blobs, sealed.location)
    assert (len(push), len(pull), len(sign)) == (1, 1, 0), (push, pull, sign)


async def test_wrong_digests_and_offsets(blobs: S3BlobStore) -> None:
    upload = await blobs.create_upload()
    await blobs.append(upload, 0, b"hello")
    with pytest.raises(DigestMismatch):
        await blobs.seal(upload, digest(b"other"))
    for offset in (0, 4, 6):
        with pytest.raises(OffsetMismatch) as caught:
            await blobs.append(upload, offset, b"x")
        assert caught.value.size == 5
    assert (await blobs.seal(upload, digest(b"hello"))).size == 5
    for unknown in ("", "../../x", "x" * 32, upload):
        with pytest.raises(UploadUnknown):
            await blobs.append(unknown, 0, b"x")
    with pytest.raises(BlobUnknown):
        await content(blobs, "../../etc/passwd")


async def test_what_came_before_it_broke_off_is_kept(blobs: S3BlobStore) -> None:
    data = os.urandom(PART + 300_000)

    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces(data[: PART + 200_000], 100_000):
            yield piece
        raise ConnectionResetError

    upload = await blobs.create_upload()
    with pytest.raises(ConnectionResetError):
        await blobs.append(upload, 0, broken())
    received = (await blobs.upload_status(upload)).size
    assert received == PART + 200_000
    await blobs.append(upload, received, data[received:])
    assert (await blobs.seal(upload, digest(data))).size == len(data)


async def test_another_server_goes_on(blobs: S3BlobStore, database: Store, bucket: S3Store) -> None:
    """It has not seen the bytes: it reads them, before the digest is believed."""
    other = S3BlobStore(database, bucket)
    upload = await blobs.create_upload()
    await blobs.append(upload, 0, b"one ")
    await other.append(upload, 4, b"two ")
    await blobs.append(upload, 8, b"three")
    with pytest.raises(DigestMismatch):
        await other.seal(upload, digest(b"one two four"))
    sealed = await S3BlobStore(database, bucket).seal(upload, digest(b"one two three"))
    assert await content(other, sealed.location) == b"one two three"
    upload = await blobs.create_upload()
    await blobs.append(upload, 0, b"all by one")
    assert (await other.seal(upload, digest(b"all by one"))).size == 10


async def test_two_servers_append_at_once(blobs: S3BlobStore, database: Store, bucket: S3Store) -> None:
    other = S3BlobStore(database, bucket)
    upload = await blobs.create_upload()
    outcomes = await asyncio.gather(
        blobs.append(upload, 0, pieces(b"a" * 300_000)),
        other.append(upload, 0, pieces(b"b" * 200_000)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, OffsetMismatch) for outcome in outcomes) == 1
    data = b"a" * 300_000 if outcomes[0] == 300_000 else b"b" * 200_000
    sealed = await blobs.seal(upload, digest(data))
    assert await locations(blobs) == [sealed.location]


async def test_uploads_end_and_leave_nothing(blobs: S3BlobStore) -> None:
    from datetime import UTC, datetime

    aborted, stale, live = [await blobs.create_upload() for _ in range(3)]
    for upload in (aborted, stale, live):
        await blobs.append(upload, 0, b"one")
        await blobs.append(upload, 3, b"two")
    await blobs.abort(aborted)
    with pytest.raises(UploadUnknown):
        await blobs.abort(aborted)
    now = datetime.now(UTC)
    assert await blobs.expire_uploads(now - timedelta(hours=1)) == 0
    assert await blobs.expire_uploads(now + timedelta(hours=1)) == 2
    assert await locations(blobs) == []


async def test_a_registry_on_s3(tmp_path: Path, bucket: S3Store, s3_server: S3Server) -> None:
    async with running_registry(tmp_path, bucket=bucket) as registry:
        for name in ("web", "other"):
            await registry.create_repository(name)
            await registry.push_image(name, "latest")
        layer = os.urandom(3 * PART)
        with counted(s3_server) as requests:
            name = await registry.push_blob("web", layer)
        assert len(requests) == 5  # begin, three parts, complete
        with counted(s3_server) as requests:
            assert (await registry.http("GET", f"/v2/web/blobs/{name}")).body == layer
        assert len(requests) == 1, requests
        with counted(s3_server) as requests:
            ranged = await registry.http("GET", f"/v2/web/blobs/{name}", headers={"Range": "bytes=5-9"})
        assert (ranged.status, ranged.body) == (206, layer[5:10])
        assert len(requests) == 1, requests
        with counted(s3_server) as requests:
            assert (await registry.http("HEAD", f"/v2/web/blobs/{name}")).status == 200
        assert requests == []
        assert (await registry.http("DELETE", f"/v2/web/blobs/{name}")).status == 202
        await registry.api("DeleteRepository", {"repositoryName": "web", "force": True})
        await collect_garbage(registry.storage, registry.store.run, timedelta(), leftovers=True)
        kept = len([info async for info in registry.blobs.list()])
        assert kept > 2, "presigned URLs may still be in use"
        registry.clock.offset = timedelta(hours=1)
        await collect_garbage(registry.storage, registry.store.run, timedelta(days=1), leftovers=True)
        assert len([info async for info in registry.blobs.list()]) == 2
        assert (await registry.http("GET", "/v2/other/manifests/latest")).status == 200


async def test_deleted_while_it_is_pulled(tmp_path: Path, bucket: S3Store) -> None:
    """Those who read go on to the end: an object that nobody can be sent to any more stays for a while."""
    async with running_registry(tmp_path, bucket=bucket) as registry:
        await registry.create_repository("web")
        data = os.urandom(30_000_000)
        name = await registry.push_blob("web", data)
        head = f"GET /v2/web/blobs/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {await registry.token()}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        assert (await registry.http("DELETE", f"/v2/web/blobs/{name}")).status == 202
        await collect_garbage(registry.storage, registry.store.run, timedelta())
        assert (await registry.http("GET", f"/v2/web/blobs/{name}")).status == 404
        assert await reader.read(-1) == data
        writer.close()
        registry.clock.offset = registry.blobs.linger + timedelta(minutes=1)
        await collect_garbage(registry.storage, registry.store.run, timedelta())
        assert not [info async for info in registry.blobs.list()]


async def test_clients_are_sent_to_presigned_urls(tmp_path: Path, bucket: S3Store, s3_server: S3Server) -> None:
    async with running_registry(tmp_path, bucket=bucket, presigned=True) as registry:
        await registry.create_repository("web")
        data = os.urandom(100_000)
        name = await registry.push_blob("web", data)
        answer = await registry.http("GET", f"/v2/web/blobs/{name}")
        assert answer.status == 307
        assert answer.headers["location"].startswith(s3_server.endpoint)

        def fetch() -> bytes:
            with urllib.request.urlopen(answer.headers["location"], timeout=10) as response:
                return response.read()

        assert await asyncio.to_thread(fetch) == data
        assert (await registry.http("HEAD", f"/v2/web/blobs/{name}")).headers["content-length"] == "100000"


async def _patch(registry: Harness, place: str, body: AsyncIterator[bytes], length: int) -> int:
    """Send a chunk bit by bit; the status of the answer."""
    head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {await registry.token()}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(f"{head}Content-Length: {length}\r\n\r\n".encode())

    async def send() -> None:
        async for piece in body:
            writer.write(piece)
            await writer.drain()

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(60):
            return int((await reader.readuntil(b"\r\n")).split()[1])
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[S3Server]:
    """A server of one test, which kills it."""
    with running_s3(tmp_path / "s3") as server:
        yield server


async def test_the_s3_server_dies_in_the_middle_of_an_upload(tmp_path: Path, mortal: S3Server) -> None:
    layer = os.urandom(6 * PART)
    name = digest_of(layer)
    async with running_registry(tmp_path, bucket=make_bucket(mortal, "dies")) as registry:
        await registry.create_repository("web")
        await registry.push_image("web", "before")
        place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
        assert (await registry.http("PATCH", place, layer[:PART])).status == 202

        async def killing() -> AsyncIterator[bytes]:
            number = 0
            async for piece in pieces(layer[PART:], 1 << 20):
                yield piece
                number += 1
                if number == 20:
                    mortal.process.kill()
                    await asyncio.to_thread(mortal.process.wait)

        assert await _patch(registry, place, killing(), 5 * PART) == 503
        assert (await registry.http("GET", place)).headers["range"] == f"0-{PART - 1}"
        assert (await registry.http("HEAD", f"/v2/web/blobs/{name}")).status == 404
        assert (await registry.http("GET", "/v2/web/manifests/before")).status == 200  # manifests are in the database
        config = (await registry.http("GET", "/v2/web/manifests/before")).json["config"]["digest"]
        assert (await registry.http("GET", f"/v2/web/blobs/{config}")).status == 503
        assert (await registry.http("PUT", f"{place}?digest={name}", b"more")).status == 503
        with running_again(mortal, tmp_path):
            await _ends_well(registry, place, layer)


async def _ends_well(registry: Harness, place: str, layer: bytes) -> None:
    name = digest_of(layer)
    status = await registry.http("GET", place)
    have = int(status.headers["range"].partition("-")[2]) + 1
    assert (await registry.http("PUT", f"{place}?digest={name}", layer[have:])).status == 201
    assert (await registry.http("GET", f"/v2/web/blobs/{name}")).body == layer
    manifest = (await registry.http("GET", "/v2/web/manifests/before")).json
    for part in (manifest["config"], *manifest["layers"]):
        assert (await registry.http("GET", f"/v2/web/blobs/{part['digest']}")).status == 200
    registry.clock.offset = timedelta(days=3)
    await expire_uploads(registry.storage, registry.clock.now())
    await collect_garbage(registry.storage, registry.store.run, timedelta(days=9), leftovers=True)
    assert len([info async for info in registry.blobs.list()]) == 3


async def test_a_bucket_that_lets_nobody_in(database: Store, s3_server: S3Server, bucket: S3Store) -> None:
    await S3BlobStore(database, bucket).reach()
    name = str(bucket.config["bucket"])
    with pytest.raises(StorageUnavailable):
        await S3BlobStore(database, open_bucket(s3_server.endpoint, name, "wrong")).reach()
    with pytest.raises((StorageUnavailable, BlobUnknown)):
        await S3BlobStore(database, open_bucket(s3_server.endpoint, "nowhere")).reach()
