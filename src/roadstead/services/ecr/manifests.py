"""Reading manifests: what they are, and what they name (OCI image-spec 1.1; Docker image manifest version 2, schema 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from roadstead.core.oci.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    IMAGE_TYPES,
    INDEX_TYPES,
    MAX_MANIFEST_BYTES,
    OCI_INDEX,
    OCI_MANIFEST,
    UNPUSHED,
)
from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.ecr.keys import is_digest


class InvalidManifest(Exception):
    """What stands for a manifest is none that a registry holds; the text says why."""


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    media_type: str = ""
    size: int = 0
    urls: list[str] | None = None


class _Document(msgspec.Struct, rename="camel"):
    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(_Document)

_MOST_BYTES = 2**63 - 1
"""What sizes of descriptors may come to: image-spec has them as int64, and so do the clients that read them."""
_LONGEST_TYPE = 255
"""Of an artifact type: RFC 6838, 4.2, has 127 characters on either side of the slash."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's meaning.

    What descriptors say of the sizes of blobs in the repository is not held against those blobs: ECR documents no such check, distribution has none
    (registry/storage/ocimanifesthandler.go), and Docker has pushed layers whose size was off by one (docker/for-linux issue 1296),
    so that refusing them would refuse images that any other registry takes. What ECR reports as imageSizeInBytes comes from the blobs (content).
    """

    media_type: str
    artifact_type: str | None
    subject: str | None
    blobs: tuple[str, ...]
    """Digests of config and layers that must be in the repository, each once."""
    children: tuple[str, ...]
    """Digests of the images of a manifest list, each once."""
    bytes_elsewhere: int
    """The sizes of layers that are not distributed, and need not be here, as their descriptors say."""
    blob_sizes: Mapping[str, int] = field(default_factory=dict[str, int], hash=False)
    """How many bytes each of `blobs` has by its descriptor, 0 where that does not say."""
    annotations: dict[str, str] | None = field(default=None, hash=False)

    @property
    def is_index(self) -> bool:
        """Whether this is a manifest list or an index."""
        return self.media_type in INDEX_TYPES


def parse_manifest(content: bytes, media_type: str | None) -> Manifest:
    """Read a manifest that a client sent, as `read_manifest` does; raises InvalidParameterException."""
    try:
        return read_manifest(content, media_type)
    except InvalidManifest as error:
        raise InvalidParameterException.at("imageManifest", str(error)) from error


def read_manifest(content: bytes, media_type: str | None) -> Manifest:
    """Read a manifest that came with this media type (None: none that says anything).

    Raises InvalidManifest for what is no manifest, contradicts its media type, or could be taken for both an image and an
    index (image-spec, "image manifest" and "image index" differ by media type alone).
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(f"Member must have length less than or equal to {MAX_MANIFEST_BYTES}")
    try:
        content.decode()  # the decoder looks only at members that it knows
        document = _decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidManifest("Invalid JSON syntax") from error
    kind = _media_type(document, media_type)
    images = kind in INDEX_TYPES
    if images and (document.config is not None or document.layers is not None):
        raise InvalidManifest("a manifest list has neither config nor layers")
    if not images and document.manifests is not None:
        raise InvalidManifest("an image manifest has no manifests")
    if kind in (OCI_MANIFEST, DOCKER_MANIFEST) and document.config is None:
        raise InvalidManifest("an image manifest has a config")
    config = [document.config] if document.config is not None else []
    content_descriptors = config + (document.layers or []) + (document.blobs or [])
    children = document.manifests or []
    subject = [document.subject] if document.subject is not None else []
    for descriptor in content_descriptors + children + subject:
        if not is_digest(descriptor.digest) or descriptor.size < 0:
            raise InvalidManifest("every descriptor has a sha256 or sha512 digest and a size")
    if sum(each.size for each in content_descriptors + children + subject) > _MOST_BYTES:
        raise InvalidManifest(f"the sizes of descriptors come to {_MOST_BYTES} bytes at most")
    artifact_type = document.artifact_type or (document.config.media_type or None if document.config else None)
    if artifact_type is not None and (len(artifact_type) > _LONGEST_TYPE or not artifact_type.isprintable()):
        raise InvalidManifest(f"an artifact type has at most {_LONGEST_TYPE} characters, all of them printable")
    here = [descriptor for descriptor in content_descriptors if not _is_elsewhere(descriptor)]
    return Manifest(
        media_type=kind,
        artifact_type=artifact_type,
        subject=document.subject.digest if document.subject is not None else None,
        blobs=tuple(dict.fromkeys(d.digest for d in here)),
        children=tuple(dict.fromkeys(d.digest for d in children)),
        bytes_elsewhere=sum(d.size for d in content_descriptors if _is_elsewhere(d)),
        blob_sizes={d.digest: d.size for d in here},
        annotations=document.annotations,
    )


def _media_type(document: _Document, given: str | None) -> str:
    inside = None if document.media_type is None else document.media_type.lower()
    given = None if given is None else given.lower()  # RFC 9110, 8.3.1
    if given in (None, "", "application/json", "application/octet-stream"):
        given = inside or _guess(document)
    if inside is not None and inside != given:
        raise InvalidManifest(f"the manifest's mediaType {inside} is the one that it is sent with, {given}")
    if given not in IMAGE_TYPES and given not in INDEX_TYPES:
        raise InvalidManifest(f"Unsupported manifest media type {given}")
    if given in (DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX) and document.schema_version != 2:
        raise InvalidManifest("schemaVersion is 2")
    return given


def _guess(document: _Document) -> str | None:
    if document.manifests is not None:
        return OCI_INDEX
    return OCI_MANIFEST if document.config is not None else None


def _is_elsewhere(descriptor: _Descriptor) -> bool:
    return bool(descriptor.urls) and any(mark in descriptor.media_type for mark in UNPUSHED)
