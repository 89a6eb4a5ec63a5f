"""Blocking file work of the disk store. Everything here runs in its threads."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from roadstead.store.blobs.interface import StorageFull
from roadstead.store.blobs.writeback import begin_writeback

if TYPE_CHECKING:
    from hashlib import _Hash  # pyright: ignore[reportPrivateUsage] - its type has no public name

CHUNK = 1 << 20
"""Bytes that are hashed and written, or read, in one go."""
_MAX_BUFFERS = 1024  # IOV_MAX on Linux
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def full_disk_is_clean() -> Generator[None]:
    """Turn "no space left" into StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise StorageFull("no space left for blobs") from error
        raise


def append_chunks(path: Path, offset: int, chunks: Sequence[bytes]) -> int:
    """Write `chunks` at `offset`, the file's end; returns the new end. All or nothing: on an error the file ends at `offset` again."""
    with full_disk_is_clean():
        descriptor = os.open(path, os.O_WRONLY)
        try:
            end = append_at(descriptor, offset, chunks)
            if end - offset >= CHUNK:
                begin_writeback(descriptor, offset, end - offset)
        finally:
            os.close(descriptor)
    return end


def append_at(descriptor: int, offset: int, chunks: Sequence[bytes | memoryview]) -> int:
    """The same with an open file."""
    with full_disk_is_clean():
        try:
            return offset + _write_all(descriptor, offset, chunks)
        except BaseException:
            os.ftruncate(descriptor, offset)
            raise


def hash_chunks(digest: _Hash, chunks: Sequence[bytes]) -> None:
    """Add `chunks` to a running digest."""
    for chunk in chunks:
        digest.update(chunk)


def _write_all(descriptor: int, offset: int, chunks: Sequence[bytes | memoryview]) -> int:
    written = 0
    pending: list[bytes | memoryview] = [chunk for chunk in chunks if chunk]
    while pending:
        count = os.pwritev(descriptor, pending[:_MAX_BUFFERS], offset + written)
        written += count
        while pending and count >= len(pending[0]):
            count -= len(pending[0])
            pending.pop(0)
        if count:
            pending[0] = memoryview(pending[0])[count:]
    return written


def hash_file(path: Path, algorithm: str) -> _Hash:
    """The digest of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    with full_disk_is_clean():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Make a directory's entries durable."""
    with full_disk_is_clean():
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Directories:
    """Directories that this process knows to be durable.

    That one exists says nothing: another thread, or a process that died, may have made it and not synced the one above it yet.
    """

    def __init__(self) -> None:
        self._known: set[Path] = set()

    def make(self, path: Path) -> None:
        """Create a directory and the missing ones above it, and make their entries durable."""
        if path in self._known:
            return
        if not path.parent.is_dir():
            self.make(path.parent)
        with full_disk_is_clean():
            path.mkdir(mode=0o700, exist_ok=True)
        sync_directory(path.parent)
        self._known.add(path)

    def publish(self, upload: Path, blob: Path) -> None:
        """Make an upload's content durable under its final name, two directories below one that `make` has made.

        Where that fails, the upload is dropped: the kernel tells once of pages that it could not write, and forgets them.
        """
        try:
            sync_file(upload)
        except (OSError, StorageFull):
            upload.unlink()
            raise
        self.make(blob.parent.parent)
        self.make(blob.parent)
        with full_disk_is_clean():
            upload.rename(blob)
        sync_directory(blob.parent)


def read_chunk(descriptor: int, offset: int, length: int) -> bytes:
    """Up to `length` bytes at `offset`."""
    return os.pread(descriptor, length, offset)
