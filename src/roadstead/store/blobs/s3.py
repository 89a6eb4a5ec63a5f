"""Blobs in a bucket of S3, or of a server that speaks it.

    PREFIX/UPLOAD/PIECE             what one append brought, and in the end the whole blob

What a client sends in one request becomes one object, and that object is the blob once its digest is right: nothing is renamed or copied. A blob
that came in several requests is put together when it is sealed. Small blobs cost one request to push and one to pull, none where clients
read by presigned URLs; large ones are sent in parts (multipart upload), of which S3 shows nothing before all are there.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from roadstead.kernel.ids import hex_id
from roadstead.store.base import Store
from roadstead.store.blobs.digest import Digest
from roadstead.store.blobs.interface import (
    BlobInfo,
    BlobUnknown,
    DigestMismatch,
    OffsetMismatch,
    Sealed,
    StorageUnavailable,
    UploadInfo,
    UploadUnknown,
)
from roadstead.store.blobs.pieces import Feed, RunningHashes
from roadstead.store.blobs.sessions import Session, Sessions

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta

PRESIGNED = timedelta(minutes=20)
"""How long a presigned URL is good for."""
PART = 8 * 1024 * 1024
"""Bytes of a part; ten thousand of them are the largest object, 80 GiB."""
_PARTS_AT_ONCE = 4
_READ = 1024 * 1024
_ID_LENGTH = 32
_LOCATION = re.compile(r"[0-9a-f]{32}/[0-9a-f]{16}", re.ASCII)
_log = structlog.stdlib.get_logger(__name__)


class S3BlobStore:
    """A BlobStore in a bucket; its upload sessions are in `store`, so that any server goes on with them."""

    def __init__(self, store: Store, bucket: S3Store, *, presigned: bool = False) -> None:
        self._sessions = Sessions(store)
        self._bucket = bucket
        self._presigned = presigned
        self._hashes = RunningHashes()

    async def reach(self) -> None:
        """Raise StorageUnavailable unless the bucket is there and lets us in."""
        with _translated("bucket"):
            async for _ in _pages(self._bucket, 1):
                return

    async def create_upload(self) -> str:
        """See BlobStore.create_upload. No request."""
        upload = hex_id(_ID_LENGTH)
        await self._sessions.begin(upload)
        return upload

    async def append(self, upload: str, offset: int, data: bytes | AsyncIterable[bytes]) -> int:
        """See BlobStore.append. What came before `data` broke off is kept; what this server held when it died is not."""
        session = await self._sessions.find(_checked(upload))
        if offset != session.size:
            raise OffsetMismatch(session.size)
        running = self._hashes.take(upload, session.size)
        feed = Feed(data, PART, running)
        piece = f"{upload}/{hex_id(16)}"
        if not await self._put(piece, feed):
            self._hashes.keep(upload, running, session.size)
            feed.check()
            return session.size
        try:
            await self._sessions.extend(session, piece, feed.size)
        except (OffsetMismatch, UploadUnknown):
            await self._forget([piece])
            raise
        self._hashes.keep(upload, running, session.size + feed.size)
        feed.check()
        return session.size + feed.size

    async def upload_status(self, upload: str) -> UploadInfo:
        """See BlobStore.upload_status."""
        session = await self._sessions.find(_checked(upload))
        return UploadInfo(upload, session.size, session.touched_at)

    async def seal(self, upload: str, digest: Digest) -> Sealed:
        """See BlobStore.seal."""
        session = await self._sessions.find(_checked(upload))
        await self._verify(session, digest)
        location = await self._whole(session)
        try:
            await self._sessions.end(session)
        except UploadUnknown:
            if location not in session.pieces:
                await self._forget([location])
            raise
        self._hashes.drop(upload)
        await self._forget([piece for piece in session.pieces if piece != location])
        return Sealed(location, session.size)

    async def abort(self, upload: str) -> None:
        """See BlobStore.abort."""
        session = await self._sessions.find(_checked(upload))
        await self._sessions.end(session)
        self._hashes.drop(upload)
        await self._forget(session.pieces)

    async def expire_uploads(self, before: datetime) -> int:
        """See BlobStore.expire_uploads. Unfinished parts are for a lifecycle rule of the bucket (AbortIncompleteMultipartUpload)."""
        expired = 0
        while stale := await self._sessions.stale(before, 100):
            for session in stale:
                try:
                    await self._sessions.end(session)
                except UploadUnknown:
                    continue  # touched meanwhile
                await self._forget(session.pieces)
                expired += 1
        return expired

    async def open_range(self, location: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """See BlobStore.open_range. One request."""
        if end is not None and end <= start:
            return
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        with _translated(location):
            result = await obstore.get_async(self._bucket, _blob(location), options=options)
            async for chunk in result.stream(min_chunk_size=_READ):
                yield bytes(chunk)

    async def stat(self, location: str) -> BlobInfo | None:
        """See BlobStore.stat."""
        try:
            with _translated(location):
                meta = await obstore.head_async(self._bucket, _blob(location))
        except BlobUnknown:
            return None
        return BlobInfo(location, location[:_ID_LENGTH], meta["size"], meta["last_modified"])

    linger = PRESIGNED
    """See BlobStore.linger."""

    async def delete(self, locations: Sequence[str]) -> None:
        """See BlobStore.delete."""
        ours = [location for location in locations if _LOCATION.fullmatch(location)]
        if ours:
            with _translated("blobs"):
                await obstore.delete_async(self._bucket, ours)

    async def list(self) -> AsyncGenerator[BlobInfo]:
        """See BlobStore.list. A request for each thousand."""
        with _translated("bucket"):
            async for page in _pages(self._bucket, 1000):
                for meta in page:
                    if _LOCATION.fullmatch(meta["path"]):
                        yield BlobInfo(meta["path"], meta["path"][:_ID_LENGTH], meta["size"], meta["last_modified"])

    def local_path(self, location: str) -> Path | None:
        """See BlobStore.local_path: there are no files."""
        return None

    async def presign(self, location: str) -> str | None:
        """See BlobStore.presign. No request."""
        if not self._presigned:
            return None
        with _translated(location):
            return await obstore.sign_async(self._bucket, "GET", _blob(location), PRESIGNED)

    async def close(self) -> None:
        """See BlobStore.close."""

    async def _put(self, piece: str, feed: Feed) -> bool:
        """Whether there was anything to put."""
        first = await feed.first()
        if not first:
            return False
        with _translated(piece):
            if feed.ended:
                await obstore.put_async(self._bucket, piece, first, use_multipart=False)
            else:
                await obstore.put_async(
                    self._bucket, piece, feed.parts(first), chunk_size=PART, max_concurrency=_PARTS_AT_ONCE
                )
        return True

    async def _whole(self, session: Session) -> str:
        """The location of the session's whole content."""
        if len(session.pieces) == 1:
            return session.pieces[0]
        location = f"{session.upload}/{hex_id(16)}"
        feed = Feed(self._read(session), PART, None)
        there = await self._put(location, feed)
        try:
            feed.check()
        except Exception:
            await self._forget([location])  # what came before a piece could not be read on is not the whole
            raise
        if not there:
            with _translated(location):
                await obstore.put_async(self._bucket, location, b"", use_multipart=False)
        return location

    async def _verify(self, session: Session, digest: Digest) -> None:
        running = self._hashes.take(session.upload, session.size) if digest.algorithm == "sha256" else None
        self._hashes.keep(session.upload, running, session.size)
        actual = running.hexdigest() if running is not None else await self._read_digest(session, digest.algorithm)
        if actual != digest.hex:
            raise DigestMismatch(f"the content's digest is {digest.algorithm}:{actual}")

    async def _read_digest(self, session: Session, algorithm: str) -> str:
        running = hashlib.new(algorithm)
        async for chunk in self._read(session):
            await asyncio.to_thread(running.update, chunk)
        return running.hexdigest()

    async def _read(self, session: Session) -> AsyncGenerator[bytes]:
        for piece in session.pieces:
            async for chunk in self.open_range(piece):
                yield chunk

    async def _forget(self, pieces: Sequence[str]) -> None:
        """Remove what no session names any more; what stays for now, garbage collection finds."""
        try:
            await self.delete(pieces)
        except StorageUnavailable as error:
            _log.warning("pieces of an upload are left", pieces=len(pieces), error=str(error))


def _pages(bucket: S3Store, size: int) -> AsyncIterator[Sequence[ObjectMeta]]:
    return obstore.list(bucket, chunk_size=size)  # pyright: ignore[reportUnknownMemberType] - an overload needs pyarrow


def _checked(upload: str) -> str:
    if len(upload) != _ID_LENGTH or not upload.isalnum() or not upload.isascii():
        raise UploadUnknown(upload)
    return upload


def _blob(location: str) -> str:
    if not _LOCATION.fullmatch(location):
        raise BlobUnknown(location)
    return location


@contextmanager
def _translated(what: str) -> Generator[None]:
    """Turn obstore's errors into those of a blob store."""
    try:
        yield
    except FileNotFoundError as error:
        raise BlobUnknown(what) from error
    except BaseError as error:
        raise StorageUnavailable(f"S3: {type(error).__name__}: {str(error).splitlines()[0]}") from error
