"""Blobs in a directory of this host.

    uploads/ID                      an upload under way
    blobs/sha256/ab/abcdef…-ID      what it was sealed as, durable since before it had this name

An upload's hash is kept while this process lives; after a restart it is computed anew from the file when it is sealed. Memory is
constant: a few chunks for each append.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from roadstead.kernel.ids import hex_id
from roadstead.store.blobs import files
from roadstead.store.blobs.appending import AppendWriter, PouredWriter
from roadstead.store.blobs.digest import Digest
from roadstead.store.blobs.interface import (
    BlobInfo,
    BlobUnknown,
    DigestMismatch,
    OffsetMismatch,
    Pourable,
    Sealed,
    UploadInfo,
    UploadUnknown,
)
from roadstead.store.blobs.locks import KeyedLocks

if TYPE_CHECKING:
    from hashlib import _Hash  # pyright: ignore[reportPrivateUsage] - its type has no public name

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 8
_RUNNING_HASHES = 1024
"""Uploads whose hash is kept at hand; the longest untouched ones beyond are hashed from their file."""
_ID_LENGTH = 32
_LOCATION = re.compile(r"(?:sha256|sha512)/([0-9a-f]{2})/\1(?:[0-9a-f]{62}|[0-9a-f]{126})-([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, slots=True)
class _RunningHash:
    digest: _Hash
    size: int
    """Bytes that it has seen."""


class DiskBlobStore:
    """A BlobStore in a directory, which is made if it is missing. Close it when done."""

    def __init__(self, root: Path) -> None:
        self._uploads = root / "uploads"
        self._blobs = root / "blobs"
        self._directories = files.Directories()
        self._directories.make(self._uploads)
        self._directories.make(self._blobs)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")
        self._hashes: OrderedDict[str, _RunningHash] = OrderedDict()
        self._locks = KeyedLocks()

    async def create_upload(self) -> str:
        """See BlobStore.create_upload."""
        upload = hex_id(_ID_LENGTH)

        def create() -> None:
            with files.full_disk_is_clean():
                (self._uploads / upload).touch(mode=0o600, exist_ok=False)

        await self._in_thread(create)
        self._keep_hash(upload, _RunningHash(hashlib.sha256(), 0))
        return upload

    async def append(self, upload: str, offset: int, data: bytes | AsyncIterable[bytes]) -> int:
        """See BlobStore.append. While a chunk is written and hashed in threads, the next one is being received."""
        path = self._upload_path(upload)
        async with self._locks.hold(upload):
            size = (await self._in_thread(_stat_upload, path)).st_size
            if offset != size:
                raise OffsetMismatch(size)
            running = self._hashes.pop(upload, None)
            if running is not None and running.size != size:
                running = None  # another process appended too
            digest = running.digest if running else None
            if isinstance(data, Pourable):
                return await self._pour(upload, path, size, digest, data)
            return await self._gather(upload, path, size, digest, data)

    async def _pour(self, upload: str, path: Path, size: int, digest: _Hash | None, data: Pourable) -> int:
        writer = await self._in_thread(PouredWriter, path, size, digest)
        try:
            await data.pour(writer.take)
        finally:
            writer.close()
            self._keep_running(upload, writer)
        return writer.end

    async def _gather(
        self, upload: str, path: Path, size: int, digest: _Hash | None, data: bytes | AsyncIterable[bytes]
    ) -> int:
        writer = AppendWriter(self._threads, path, size, digest)
        try:
            if isinstance(data, bytes):
                await writer.add(data)
            else:
                async for chunk in data:
                    await writer.add(chunk)
        finally:
            try:
                await writer.finish()
            finally:
                self._keep_running(upload, writer)
        return writer.end

    async def upload_status(self, upload: str) -> UploadInfo:
        """See BlobStore.upload_status."""
        found = await self._in_thread(_stat_upload, self._upload_path(upload))
        return UploadInfo(upload, found.st_size, _time(found))

    async def seal(self, upload: str, digest: Digest) -> Sealed:
        """See BlobStore.seal."""
        path = self._upload_path(upload)
        async with self._locks.hold(upload):
            size = (await self._in_thread(_stat_upload, path)).st_size
            running = self._hashes.get(upload)
            if running is not None and running.size == size and digest.algorithm == "sha256":
                actual = running.digest
            else:
                actual = await self._in_thread(files.hash_file, path, digest.algorithm)
            if actual.hexdigest() != digest.hex:
                raise DigestMismatch(f"the content's digest is {digest.algorithm}:{actual.hexdigest()}")
            location = f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}-{upload}"
            await self._in_thread(self._directories.publish, path, self._blobs / location)
            self._hashes.pop(upload, None)
            return Sealed(location, size)

    async def abort(self, upload: str) -> None:
        """See BlobStore.abort."""
        path = self._upload_path(upload)
        async with self._locks.hold(upload):
            await self._in_thread(_stat_upload, path)
            await self._in_thread(path.unlink)
            self._hashes.pop(upload, None)

    async def expire_uploads(self, before: datetime) -> int:
        """See BlobStore.expire_uploads."""
        expired = 0
        for upload in await self._in_thread(_names, self._uploads):
            try:
                if not self._locks.held(upload) and (await self.upload_status(upload)).touched_at < before:
                    await self.abort(upload)
                    expired += 1
            except UploadUnknown:
                continue  # sealed or aborted meanwhile
        return expired

    async def open_range(self, location: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """See BlobStore.open_range."""
        descriptor = await self._in_thread(_open_blob, self._blob_path(location))
        try:
            position = start
            while end is None or position < end:
                length = files.CHUNK if end is None else min(files.CHUNK, end - position)
                chunk = await self._in_thread(files.read_chunk, descriptor, position, length)
                if not chunk:
                    return
                position += len(chunk)
                yield chunk
        finally:
            os.close(descriptor)

    async def stat(self, location: str) -> BlobInfo | None:
        """See BlobStore.stat."""
        return await self._in_thread(self._info, location)

    linger = timedelta()
    """See BlobStore.linger: an open file stays readable."""

    async def delete(self, locations: Sequence[str]) -> None:
        """See BlobStore.delete. Not made durable: after a power loss a file may be back, which garbage collection finds."""

        def remove() -> None:
            for location in locations:
                with suppress(BlobUnknown):  # a location of another kind of store
                    self._blob_path(location).unlink(missing_ok=True)

        await self._in_thread(remove)

    async def list(self) -> AsyncGenerator[BlobInfo]:
        """See BlobStore.list."""
        for algorithm in await self._in_thread(_names, self._blobs):
            for shard in await self._in_thread(_names, self._blobs / algorithm):
                for found in await self._in_thread(self._shard, f"{algorithm}/{shard}"):
                    yield found

    def local_path(self, location: str) -> Path | None:
        """See BlobStore.local_path."""
        path = self._blob_path(location)
        return path if path.exists() else None

    async def presign(self, location: str) -> str | None:
        """See BlobStore.presign: a directory serves nobody."""
        return None

    async def close(self) -> None:
        """See BlobStore.close: waits for file work under way and ends the threads."""
        await asyncio.to_thread(self._threads.shutdown)

    def _upload_path(self, upload: str) -> Path:
        if len(upload) != _ID_LENGTH or not upload.isalnum() or not upload.isascii():
            raise UploadUnknown(upload)
        return self._uploads / upload

    def _blob_path(self, location: str) -> Path:
        if _LOCATION.fullmatch(location) is None:
            raise BlobUnknown(location)
        return self._blobs / location

    def _info(self, location: str) -> BlobInfo | None:
        try:
            found = self._blob_path(location).stat()
        except (BlobUnknown, FileNotFoundError):  # somebody else's file, or gone
            return None
        return BlobInfo(location, location[-_ID_LENGTH:], found.st_size, _time(found))

    def _shard(self, shard: str) -> list[BlobInfo]:
        found = (self._info(f"{shard}/{name}") for name in _names(self._blobs / shard))
        return [info for info in found if info is not None]

    def _keep_running(self, upload: str, writer: AppendWriter | PouredWriter) -> None:
        if writer.running is not None:
            self._keep_hash(upload, _RunningHash(writer.running, writer.end))

    def _keep_hash(self, upload: str, running: _RunningHash) -> None:
        self._hashes[upload] = running
        if len(self._hashes) > _RUNNING_HASHES:
            self._hashes.popitem(last=False)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))


def _stat_upload(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError as error:
        raise UploadUnknown(path.name) from error


def _open_blob(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise BlobUnknown(path.name) from error


def _names(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return []


def _time(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(found.st_mtime, UTC)
