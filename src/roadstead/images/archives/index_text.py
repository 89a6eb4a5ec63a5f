"""The small files of the layouts that we write: oci-layout, index.json, and manifest.json for docker load."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from roadstead.core.oci.media_types import OCI_INDEX
from roadstead.images.archives.layout_source import VERSION, blob_path
from roadstead.images.ends import Named
from roadstead.images.errors import ImageError
from roadstead.images.model import FULL_NAME, REF_NAME, Descriptor, Manifest


def marker_text() -> bytes:
    """The file oci-layout."""
    return json.dumps({"imageLayoutVersion": VERSION}).encode()


def index_text(entries: Sequence[Descriptor]) -> bytes:
    """The file index.json."""
    manifests = [msgspec.to_builtins(entry) for entry in entries]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()


def with_entry(entries: Sequence[Descriptor], manifest: Manifest, named: Named | None) -> list[Descriptor]:
    """The entries of an index with one more: a named image, or a referrer; other manifests are reached through those."""
    if named is None and manifest.subject is None:
        return list(entries)
    annotations: dict[str, str] = {}
    if named is not None and named.tag is not None:
        annotations = {REF_NAME: named.tag, FULL_NAME: named.name}
    platform = named.root.platform if named is not None else None
    entry = manifest.descriptor(annotations=annotations or None, platform=platform)
    return [*(other for other in entries if other != entry), entry]


def docker_text(images: Sequence[tuple[Manifest, Sequence[str]]]) -> bytes:
    """The file manifest.json, which docker load reads: images and their complete names. Raises ImageError for what is no image."""
    saved: list[dict[str, object]] = []
    for manifest, names in images:
        if manifest.config is None or manifest.is_index:
            raise ImageError(f"{', '.join(names) or manifest.digest} is no image of one platform, as docker load needs")
        layers = [blob_path(layer.digest) for layer in manifest.layers]
        saved.append({"Config": blob_path(manifest.config.digest), "RepoTags": list(names), "Layers": layers})
    return json.dumps(saved).encode()
