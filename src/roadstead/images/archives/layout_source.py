"""Images from an OCI image layout (image-spec 1.1, image-layout.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec

from roadstead.core.oci.media_types import IMAGE_TYPES, INDEX_TYPES, MAX_MANIFEST_BYTES
from roadstead.images.archives.files import Files, read_json, read_small, stream
from roadstead.images.ends import Named
from roadstead.images.errors import BadArchive
from roadstead.images.model import FULL_NAME, REF_NAME, Descriptor, Manifest, check_descriptor, decode, read_manifest
from roadstead.images.references import local_name

MARKER = "oci-layout"
INDEX = "index.json"
VERSION = "1.0.0"


class Marker(msgspec.Struct, frozen=True, rename="camel"):
    """The file `oci-layout`."""

    image_layout_version: str


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """The file `index.json`."""

    manifests: list[Descriptor] = []
    schema_version: int = 2
    media_type: str = ""


def blob_path(digest: str) -> str:
    """Where a layout keeps content."""
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"


class LayoutSource:
    """An OCI layout as a source."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._index = _read_index(files)

    @property
    def label(self) -> str:
        """The archive's path."""
        return self._files.label

    def images(self) -> list[Named]:
        """What index.json names, without what refers to another of its manifests."""
        roots = [d for d in self._index if d.media_type in INDEX_TYPES | IMAGE_TYPES and not self._is_referrer(d)]
        return [_named(descriptor) for descriptor in roots]

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        """The manifest of a descriptor, verified."""
        return await asyncio.to_thread(self._manifest, descriptor)

    async def blob(self, descriptor: Descriptor, start: int = 0) -> AsyncGenerator[bytes]:
        """The content of a blob."""
        name = blob_path(descriptor.digest)
        size = await asyncio.to_thread(self._files.size, name)
        if size != descriptor.size:
            found = "is not there" if size is None else f"has {size} bytes instead of {descriptor.size}"
            raise BadArchive(f"{self.label}: {descriptor.digest} {found}")
        async for chunk in stream(self._files, name, start):
            yield chunk

    async def referrers(self, digest: str) -> Sequence[Descriptor]:
        """The manifests of index.json whose subject this is."""
        return await asyncio.to_thread(self._referrers, digest)

    def _manifest(self, descriptor: Descriptor) -> Manifest:
        content = read_small(self._files, blob_path(descriptor.digest), MAX_MANIFEST_BYTES)
        what = f"{self.label}: the manifest {descriptor.digest}"
        return read_manifest(content, descriptor.media_type, what, descriptor.digest)

    def _referrers(self, digest: str) -> list[Descriptor]:
        named = [d for d in self._index if d.media_type in IMAGE_TYPES | INDEX_TYPES]
        subjects = [(d, self._manifest(d).subject) for d in named]
        return [d for d, subject in subjects if subject is not None and subject.digest == digest]

    def _is_referrer(self, descriptor: Descriptor) -> bool:
        if (descriptor.annotations or {}).keys() & {REF_NAME, FULL_NAME}:
            return False
        subject = self._manifest(descriptor).subject
        return subject is not None and any(d.digest == subject.digest for d in self._index)


def _read_index(files: Files) -> list[Descriptor]:
    marker = decode(read_json(files, MARKER), Marker, f"{files.label}: {MARKER}")
    if not marker.image_layout_version.startswith("1."):
        raise BadArchive(f"{files.label} is an OCI layout of version {marker.image_layout_version!r}, not {VERSION}")
    what = f"{files.label}: {INDEX}"
    found = decode(read_json(files, INDEX), Index, what).manifests
    for descriptor in found:
        check_descriptor(descriptor, what)
    return found


def _named(descriptor: Descriptor) -> Named:
    annotations = descriptor.annotations or {}
    full = annotations.get(FULL_NAME) or annotations.get(REF_NAME)
    if full is None:
        return Named(descriptor.digest, descriptor)
    repository, tag = local_name(full)
    return Named(full, descriptor, tag, repository)
