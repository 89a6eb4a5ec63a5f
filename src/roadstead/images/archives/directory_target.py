"""Images into an OCI layout directory, beside those that it holds. Every file appears whole or not at all; a blob that broke off is gone on with."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from roadstead.images.archives.index_text import index_text, marker_text, with_entry
from roadstead.images.archives.layout_source import INDEX, MARKER, Index, blob_path
from roadstead.images.ends import Advance, Named, Source
from roadstead.images.errors import BadArchive, DigestMismatch
from roadstead.images.hashing import Running
from roadstead.images.model import Descriptor, Manifest, decode

_CHUNK = 1 << 20


class DirectoryTarget:
    """An OCI layout directory as a target. `finish` writes its index; until then nobody sees the new images."""

    parallel = 4

    def __init__(self, root: Path) -> None:
        self._root = root
        self._entries: list[Descriptor] = []

    @classmethod
    async def open(cls, root: Path) -> DirectoryTarget:
        """Make or take the directory; raises BadArchive for one that holds other things."""
        target = cls(root)
        await asyncio.to_thread(target._prepare)
        return target

    def name_of(self, named: Named, digest: str) -> str:
        """What people call it there."""
        return f"{self._root}:{named.tag or digest}"

    async def has_manifest(self, digest: str) -> bool:
        """Never taken for granted: the content of a directory may be damaged."""
        return False

    async def has_blob(self, descriptor: Descriptor, source: Source) -> bool:
        """Whether the file is there, whole and right."""
        return await asyncio.to_thread(self._is_whole, descriptor)

    async def put_blob(self, descriptor: Descriptor, source: Source, advance: Advance) -> None:
        """Write the blob's file; raises DigestMismatch."""
        path = self._root / blob_path(descriptor.digest)
        partial = path.with_name(f".{path.name}.partial")
        running = Running(descriptor.digest)
        await asyncio.to_thread(_feed_file, running, partial, descriptor.size)
        advance(running.size)
        with partial.open("ab") as file:
            file.truncate(running.size)
            async for chunk in source.blob(descriptor, running.size):
                running.feed(chunk)
                if running.size > descriptor.size:
                    break
                await asyncio.to_thread(file.write, chunk)
                advance(running.size)
            await asyncio.to_thread(_sync, file)
        if running.digest != descriptor.digest:
            partial.unlink()
            raise DigestMismatch.of(f"{source.label}: blob {descriptor.digest}", descriptor.digest, running.digest)
        partial.replace(path)

    async def put_manifest(self, manifest: Manifest, named: Named | None) -> None:
        """Write the manifest's file, and remember it for the index."""
        await asyncio.to_thread(_write, self._root / blob_path(manifest.digest), manifest.content)
        self._entries = with_entry(self._entries, manifest, named)

    async def finish(self) -> None:
        """Let the index name what was put."""
        await asyncio.to_thread(self._write_index)

    def _prepare(self) -> None:
        try:
            for algorithm in ("sha256", "sha512"):
                (self._root / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadArchive(f"{self._root} can't be made an OCI layout: {error.strerror}") from error
        marker = self._root / MARKER
        if not marker.exists():
            strangers = sorted(path.name for path in self._root.iterdir() if path.name != "blobs")
            if strangers:
                raise BadArchive(f"{self._root} is no OCI layout, and holds other things ({strangers[0]})")
            _write(marker, marker_text())

    def _write_index(self) -> None:
        path = self._root / INDEX
        present: Sequence[Descriptor] = ()
        if path.exists():
            present = decode(path.read_bytes(), Index, str(path)).manifests
        names = {_name(entry) for entry in self._entries}
        kept = [entry for entry in present if _name(entry) not in names]
        _write(path, index_text([*kept, *self._entries]))

    def _is_whole(self, descriptor: Descriptor) -> bool:
        path = self._root / blob_path(descriptor.digest)
        running = Running(descriptor.digest)
        _feed_file(running, path, descriptor.size)
        return path.is_file() and running.digest == descriptor.digest


def _name(entry: Descriptor) -> str:
    """What tells entries of an index apart: their names, and their digest without any."""
    names = entry.annotations or {}
    return msgspec.json.encode(sorted(names.items())).decode() if names else entry.digest


def _feed_file(running: Running, path: Path, limit: int) -> None:
    """Feed what of a file is there already, up to `limit` bytes."""
    try:
        with path.open("rb") as file:
            while running.size < limit and (chunk := file.read(min(_CHUNK, limit - running.size))):
                running.feed(chunk)
    except FileNotFoundError:
        return


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        _sync(file)
    temporary.replace(path)
