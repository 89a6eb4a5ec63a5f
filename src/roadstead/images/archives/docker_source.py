"""Images from the archives that `docker save` writes (Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format").

A layer there is a tar file as it is, mostly uncompressed, and its digest is known from the configuration. From each image an OCI manifest is
made: layers travel as they are, so that nothing has to be packed before its digest is known and an interrupted import goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import msgspec

from roadstead.core.oci.media_types import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from roadstead.core.oci.names import is_digest
from roadstead.images.archives.files import CHUNK, MAX_JSON_BYTES, Files, read_json, read_small, stream
from roadstead.images.ends import Named
from roadstead.images.errors import BadArchive
from roadstead.images.hashing import Running
from roadstead.images.model import Descriptor, Manifest, PlatformOf, decode, read_manifest
from roadstead.images.references import local_name

LIST = "manifest.json"


class SavedImage(msgspec.Struct, frozen=True, rename="pascal"):
    """An entry of manifest.json."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


class _RootFs(msgspec.Struct, frozen=True):
    diff_ids: list[str] = []


class _Config(msgspec.Struct, frozen=True):
    rootfs: _RootFs
    architecture: str = ""
    os: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where content lies in the archive."""

    path: str
    size: int


class DockerSource:
    """An archive of docker save as a source."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._places: dict[str, _Place] = {}
        self._manifests: dict[str, Manifest] = {}
        self._images: list[Named] = []
        for saved in decode(read_json(files, LIST), list[SavedImage], f"{files.label}: {LIST}"):
            self._add(saved)

    @property
    def label(self) -> str:
        """The archive's path."""
        return self._files.label

    def images(self) -> list[Named]:
        """One for each tag, and one for an image without any."""
        return self._images

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        """The manifest that was made of an image."""
        return self._manifests[descriptor.digest]

    async def blob(self, descriptor: Descriptor, start: int = 0) -> AsyncGenerator[bytes]:
        """A configuration or a layer."""
        async for chunk in stream(self._files, self._places[descriptor.digest].path, start):
            yield chunk

    async def referrers(self, digest: str) -> Sequence[Descriptor]:
        """None: the format has no place for them."""
        return ()

    def _add(self, saved: SavedImage) -> None:
        content = read_small(self._files, saved.config, MAX_JSON_BYTES)
        what = f"{self.label}: {saved.config}"
        config = decode(content, _Config, what)
        if len(config.rootfs.diff_ids) != len(saved.layers):
            raise BadArchive(
                f"{what} speaks of {len(config.rootfs.diff_ids)} layers, and {LIST} of {len(saved.layers)}"
            )
        running = Running("sha256:")
        running.feed(content)
        described = self._placed(saved.config, OCI_CONFIG, running.digest)
        layers = [
            self._layer(path, diff_id) for path, diff_id in zip(saved.layers, config.rootfs.diff_ids, strict=True)
        ]
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": msgspec.to_builtins(described),
            "layers": [msgspec.to_builtins(layer) for layer in layers],
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        manifest = read_manifest(text, OCI_MANIFEST, what)
        self._manifests[manifest.digest] = manifest
        platform = PlatformOf(config.architecture, config.os, config.variant)
        root = manifest.descriptor(platform=platform)
        for name in saved.repo_tags or [None]:
            if name is None:
                self._images.append(Named(manifest.digest, root))
            else:
                repository, tag = local_name(name)
                self._images.append(Named(name, root, tag, repository))

    def _layer(self, path: str, diff_id: str) -> Descriptor:
        """A layer as it lies there: of its DiffID, or compressed, as newer Dockers keep it."""
        if not is_digest(diff_id):
            raise BadArchive(f"{self.label}: {diff_id!r} is the digest of no layer")
        file, offset = self._files.open(path)
        with file:
            file.seek(offset)
            if file.read(2) != b"\x1f\x8b":
                return self._placed(path, OCI_LAYER, diff_id)
            running = Running("sha256:")
            file.seek(offset)
            left = self._files.size(path) or 0
            while left and (chunk := file.read(min(CHUNK, left))):
                running.feed(chunk)
                left -= len(chunk)
        return self._placed(path, OCI_LAYER + "+gzip", running.digest)

    def _placed(self, path: str, media_type: str, digest: str) -> Descriptor:
        size = self._files.size(path)
        if size is None:
            raise BadArchive(f"{self.label} has no {path}")
        self._places[digest] = _Place(path, size)
        return Descriptor(media_type=media_type, digest=digest, size=size)
