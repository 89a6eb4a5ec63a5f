"""Images into one tar file: an OCI layout, which docker load reads as well when it has Docker's list beside.

The file grows under another name and appears when it is whole. Blobs are its members in the order in which they come, so an export that broke off
goes on at the byte where it stopped, and needs no room but the archive's own.
"""

from __future__ import annotations

import asyncio
import os
import tarfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from roadstead.images.archives.docker_source import LIST
from roadstead.images.archives.index_text import docker_text, index_text, marker_text, with_entry
from roadstead.images.archives.layout_source import INDEX, MARKER, blob_path
from roadstead.images.archives.tar_index import BLOCK, Entry, entries_of
from roadstead.images.ends import Advance, Named, Source
from roadstead.images.errors import BadArchive, DigestMismatch
from roadstead.images.hashing import Running
from roadstead.images.model import Descriptor, Manifest

_CHUNK = 1 << 20


class TarTarget:
    """A tar file as a target. `finish` makes it appear."""

    parallel = 1

    def __init__(self, path: Path, file: BinaryIO, partial: Path, *, docker: bool) -> None:
        self._path = path
        self._partial = partial
        self._file = file
        self._docker = docker
        self._held: set[str] = set()
        self._half: Entry | None = None
        self._end = 0
        self._entries: list[Descriptor] = []
        self._images: dict[str, tuple[Manifest, list[str]]] = {}

    @classmethod
    async def open(cls, path: Path, wanted: Sequence[str], *, docker: bool) -> TarTarget:
        """Begin the archive, or go on with one of the same images; `wanted` tells them (names and digests). Raises BadArchive."""
        key = sha256("\n".join((*sorted(wanted), str(docker))).encode()).hexdigest()[:12]
        partial = path.with_name(f".{path.name}.{key}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = partial.open("r+b" if partial.exists() else "w+b")
        except OSError as error:
            raise BadArchive(f"{path} can't be written: {error.strerror}") from error
        target = cls(path, file, partial, docker=docker)
        await asyncio.to_thread(target._recover)
        return target

    def name_of(self, named: Named, digest: str) -> str:
        """What people call it there."""
        return f"{self._path}:{named.tag or digest}"

    async def has_manifest(self, digest: str) -> bool:
        """Manifests are written anew: they are small."""
        return False

    async def has_blob(self, descriptor: Descriptor, source: Source) -> bool:
        """Whether the archive holds this blob."""
        return blob_path(descriptor.digest) in self._held

    async def put_blob(self, descriptor: Descriptor, source: Source, advance: Advance) -> None:
        """Add the blob as a member; raises DigestMismatch, and the archive ends before it then."""
        name = blob_path(descriptor.digest)
        running = Running(descriptor.digest)
        header = _header(name, descriptor.size)
        start = self._end + len(header)
        half, self._half = self._half, None
        if half is not None and (half.name, half.offset, half.size) == (name, start, descriptor.size):
            await asyncio.to_thread(self._feed, running, half)
        else:
            self._file.seek(self._end)
            self._file.truncate()
            self._file.write(header)
        self._file.seek(start + running.size)
        advance(running.size)
        async for chunk in source.blob(descriptor, running.size):
            running.feed(chunk)
            if running.size > descriptor.size:
                break
            await asyncio.to_thread(self._file.write, chunk)
            advance(running.size)
        if running.digest != descriptor.digest:
            self._file.truncate(self._end)
            raise DigestMismatch.of(f"{source.label}: blob {descriptor.digest}", descriptor.digest, running.digest)
        self._pad(start + descriptor.size)
        self._held.add(name)

    async def put_manifest(self, manifest: Manifest, named: Named | None) -> None:
        """Add the manifest as a member, and remember it for the lists."""
        self._add(blob_path(manifest.digest), manifest.content)
        self._entries = with_entry(self._entries, manifest, named)
        if named is not None:
            names = self._images.setdefault(manifest.digest, (manifest, []))[1]
            if named.tag is not None:
                names.append(named.name)

    async def finish(self) -> None:
        """Add the lists, and give the archive its name."""
        await asyncio.to_thread(self._finish)

    def close(self) -> None:
        """Leave what there is for the next time."""
        self._file.close()

    def _finish(self) -> None:
        if self._docker:
            self._add(LIST, docker_text(list(self._images.values())))
        self._add(INDEX, index_text(self._entries))
        self._add(MARKER, marker_text())
        self._file.write(bytes(2 * BLOCK))
        self._file.truncate()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.replace(self._path)

    def _add(self, name: str, content: bytes) -> None:
        if name in self._held:
            return
        self._half = None
        self._file.seek(self._end)
        self._file.truncate()
        whole = _header(name, len(content)) + content
        self._file.write(whole)
        self._pad(self._end + len(whole))
        self._held.add(name)

    def _pad(self, end: int) -> None:
        self._file.seek(end)
        self._file.write(bytes(-end % BLOCK))
        self._end = self._file.tell()

    def _recover(self) -> None:
        """Take what of an earlier attempt is whole and right, and find the member that it broke off in."""
        length = self._file.seek(0, 2)
        for entry in entries_of(self._file, str(self._partial), partial=True):
            algorithm, _, encoded = entry.name.removeprefix("blobs/").partition("/")
            if not entry.name.startswith("blobs/") or entry.end > length:
                self._half = entry if entry.name.startswith("blobs/") else None
                break
            running = Running(f"{algorithm}:")
            self._feed(running, entry)
            if running.digest != f"{algorithm}:{encoded}":
                break
            self._held.add(entry.name)
            self._end = entry.end

    def _feed(self, running: Running, entry: Entry) -> None:
        """Feed what of a member is there."""
        self._file.seek(entry.offset)
        while running.size < entry.size and (chunk := self._file.read(min(_CHUNK, entry.size - running.size))):
            running.feed(chunk)


def _header(name: str, size: int) -> bytes:
    """A header that is the same for the same content: owned by root and dated 1970."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry.tobuf(tarfile.GNU_FORMAT)
