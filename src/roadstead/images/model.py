"""Manifests as a client reads them: what they name, and nothing more (OCI image-spec 1.1, manifest.md, image-index.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from roadstead.core.oci.media_types import INDEX_TYPES, MAX_MANIFEST_BYTES, OCI_INDEX, OCI_MANIFEST, UNPUSHED
from roadstead.core.oci.names import digest_of, is_digest
from roadstead.images.errors import BadArchive, DigestMismatch

T = TypeVar("T")

REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"
"""The annotation in which containerd and Docker keep a complete name beside REF_NAME's tag."""


class PlatformOf(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `platform` of a descriptor."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def answers(self, wanted: str) -> bool:
        """Whether this is the platform `os/architecture[/variant]`; a variant counts where both name one."""
        os, architecture, variant = (*wanted.split("/"), "", "")[:3]
        same = (self.os or "linux", self.architecture) == (os, architecture)
        return same and (not variant or not self.variant or variant == self.variant)


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A descriptor (descriptor.md). `size` is in bytes."""

    media_type: str
    digest: str
    size: int
    urls: list[str] | None = None
    annotations: dict[str, str] | None = None
    platform: PlatformOf | None = None
    artifact_type: str | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the content need not be in a registry: a layer that its `urls` lead to."""
        return bool(self.urls) and any(mark in self.media_type for mark in UNPUSHED)


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str = ""
    artifact_type: str | None = None
    config: Descriptor | None = None
    layers: list[Descriptor] = []
    blobs: list[Descriptor] = []
    manifests: list[Descriptor] | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest: its bytes, and the content that it names."""

    content: bytes
    media_type: str
    digest: str
    config: Descriptor | None
    blobs: tuple[Descriptor, ...]
    """Config and layers, each once, without those that are elsewhere."""
    layers: tuple[Descriptor, ...]
    """The layers in their order; one that changes nothing is often there several times."""
    children: tuple[Descriptor, ...]
    """The manifests of an index, each once."""
    subject: Descriptor | None
    artifact_type: str | None
    annotations: Mapping[str, str]

    @property
    def is_index(self) -> bool:
        """Whether this is an index or a manifest list."""
        return self.media_type in INDEX_TYPES

    def descriptor(self, **more: object) -> Descriptor:
        """What an index would say of this manifest."""
        return msgspec.structs.replace(
            Descriptor(media_type=self.media_type, digest=self.digest, size=len(self.content)), **more
        )


def decode(content: bytes, kind: type[T], what: str) -> T:
    """A JSON document of `what`; raises BadArchive."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadArchive(f"{what} is not what it should be: {error}") from error


def read_manifest(content: bytes, media_type: str, what: str, digest: str | None = None) -> Manifest:
    """Read the manifest that `what` names in errors, and hold it against `digest`. Raises BadArchive and DigestMismatch."""
    if len(content) > MAX_MANIFEST_BYTES:
        raise BadArchive(f"{what} has {len(content)} bytes; a manifest has at most {MAX_MANIFEST_BYTES}")
    found = digest_of(content, digest or "sha256:")
    if digest is not None and found != digest:
        raise DigestMismatch.of(what, digest, found)
    document = decode(content, _Document, what)
    kind = document.media_type or media_type or (OCI_INDEX if document.manifests is not None else OCI_MANIFEST)
    named = [*([document.config] if document.config else []), *document.layers, *document.blobs]
    children = (document.manifests or []) if kind in INDEX_TYPES else []
    for descriptor in (*named, *children, *([document.subject] if document.subject else [])):
        check_descriptor(descriptor, what)
    return Manifest(
        content=content,
        media_type=kind,
        digest=found,
        config=document.config,
        blobs=tuple({d.digest: d for d in named if not d.is_elsewhere}.values()),
        layers=tuple(document.layers),
        children=tuple({d.digest: d for d in children}.values()),
        subject=document.subject,
        artifact_type=document.artifact_type or (document.config.media_type if document.config else None),
        annotations=document.annotations or {},
    )


def check_descriptor(descriptor: Descriptor, what: str) -> None:
    """Raise BadArchive for a descriptor whose digest or size is none."""
    if not is_digest(descriptor.digest) or descriptor.size < 0:
        raise BadArchive(f"{what} names {descriptor.digest!r} of {descriptor.size} bytes, which can't be")
