"""What the registry needs of a place for blobs, on disk or in S3."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from roadstead.store.blobs.digest import Digest


class BlobError(Exception):
    """Anything that a blob store refuses or fails to do."""


class UploadUnknown(BlobError):
    """There is no such upload: never begun, sealed, aborted or expired."""


class BlobUnknown(BlobError):
    """There is no such blob."""


class OffsetMismatch(BlobError):
    """An append did not start where the upload ends; `size` is where it does."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the upload ends at byte {size}")
        self.size = size


class DigestMismatch(BlobError):
    """The upload's content has another digest than the client says; the upload is left as it is."""


class StorageUnavailable(BlobError):
    """The place for blobs does not answer, or refuses us; what was acknowledged before stays."""


class StorageFull(BlobError):
    """No space left. What was appended before stays, and the append can be repeated once there is room."""


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """An upload under way: bytes received, and when the last ones came."""

    id: str
    size: int
    touched_at: datetime


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an upload has become: bytes, and where the store keeps them."""

    location: str
    size: int


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A whole blob: where, of which upload, bytes, and when it was sealed."""

    location: str
    upload: str
    size: int
    sealed_at: datetime


@runtime_checkable
class Pourable(Protocol):
    """Content that, instead of being iterated over, can be had in threads: `sink` is called with each piece, which is gone when it returns."""

    async def pour(self, sink: Callable[[memoryview], None]) -> None:
        """Give all to `sink`, one piece after the other; raises what that raises, and what breaks the content off."""
        ...


class BlobStore(Protocol):
    """Uploads are sessions that survive this process; on S3 any server can go on with them. Sizes and offsets are bytes.

    Every upload is sealed at a location of its own, which no other upload ever has, whatever its content: so what is decided about a
    location can't hit a blob that is pushed meanwhile. Which digest is where, is the business of whoever asks for the seal.
    """

    async def create_upload(self) -> str:
        """Begin an upload; returns its id."""
        ...

    async def append(self, upload: str, offset: int, data: bytes | AsyncIterable[bytes]) -> int:
        """Add bytes at `offset`, which must be the upload's size; returns the new size.

        Appends to one upload go one after the other. Data that is `Pourable` too may be poured. When `data` breaks off with an exception,
        what came before it stays.
        Raises UploadUnknown, OffsetMismatch, StorageFull.
        """
        ...

    async def upload_status(self, upload: str) -> UploadInfo:
        """How far an upload has come; raises UploadUnknown."""
        ...

    async def seal(self, upload: str, digest: Digest) -> Sealed:
        """Turn an upload whose content has this digest into a blob, durably; what can't be made durable is dropped.

        Raises UploadUnknown, DigestMismatch, StorageFull.
        """
        ...

    async def abort(self, upload: str) -> None:
        """Drop an upload; raises UploadUnknown."""
        ...

    async def expire_uploads(self, before: datetime) -> int:
        """Drop uploads that nobody has touched since `before`; returns how many."""
        ...

    def open_range(self, location: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end` (or the blob's end), in chunks; raises BlobUnknown at the first."""
        ...

    async def stat(self, location: str) -> BlobInfo | None:
        """What is at a location, or None."""
        ...

    async def delete(self, locations: Sequence[str]) -> None:
        """Remove blobs; those that are not there are no error. Readers that have begun read on."""
        ...

    @property
    def linger(self) -> timedelta:
        """How long a blob that nobody can be sent to any more may still be fetched by those who were."""
        ...

    def list(self) -> AsyncIterator[BlobInfo]:
        """Every blob, in no particular order."""
        ...

    def local_path(self, location: str) -> Path | None:
        """A file with the blob's content, for sendfile; None where blobs are not files or this one is not there."""
        ...

    async def presign(self, location: str) -> str | None:
        """A URL that serves the blob for a while without us; None where there is no such thing."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...
