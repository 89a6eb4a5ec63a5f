"""OCI image documents: which manifest of an index is ours, what a configuration says, how layers chain. Pure.

Documents: image-spec, image-index.md, manifest.md, config.md ("Layer ChainID").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import cast

from roadstead.agent.runtime.model import ImageConfig

Document = Mapping[str, object]


class MalformedImage(ValueError):
    """A manifest or configuration that does not follow the specification."""


class NoMatchingPlatform(ValueError):
    """The index has no image for this machine."""


def document(content: bytes) -> Document:
    """A JSON object; raises MalformedImage."""
    try:
        value: object = json.loads(content)
    except ValueError as error:
        raise MalformedImage(f"not JSON: {error}") from error
    return _object(value)


def choose(index: Document, architecture: str) -> str | None:
    """The digest of the manifest for linux on `architecture`, or None where `index` is itself a manifest."""
    manifests = index.get("manifests")
    if manifests is None:
        return None
    for entry in map(_object, _list(manifests)):
        platform = _object(entry.get("platform") or {})
        if platform.get("os", "linux") == "linux" and platform.get("architecture", architecture) == architecture:
            return str(entry.get("digest"))
    raise _no_match(architecture)


def check_platform(config: Document, architecture: str) -> None:
    """Refuse a configuration for other machines; raises NoMatchingPlatform."""
    if config.get("os", "linux") != "linux" or config.get("architecture", architecture) != architecture:
        raise _no_match(architecture)


def config_digest(manifest: Document) -> str:
    """The digest of a manifest's configuration."""
    return str(_object(manifest.get("config")).get("digest"))


def compressed_size(manifest: Document) -> int:
    """The bytes of a manifest's layers and configuration, as they travel."""
    entries = [*map(_object, _list(manifest.get("layers") or [])), _object(manifest.get("config"))]
    return sum(size for entry in entries if isinstance(size := entry.get("size"), int))


def chain_id(config: Document) -> str:
    """The ChainID of all layers of a configuration; "" without layers."""
    chain = ""
    for diff_id in map(str, _list(_object(config.get("rootfs") or {}).get("diff_ids") or [])):
        chain = diff_id if not chain else "sha256:" + sha256(f"{chain} {diff_id}".encode()).hexdigest()
    return chain


def image_config(config: Document) -> ImageConfig:
    """The execution parameters of a configuration."""
    inner = _object(config.get("config") or {})
    environment = dict(item.split("=", 1) for item in _strings(inner.get("Env")) if "=" in item)
    labels = _object(inner.get("Labels") or {})
    return ImageConfig(
        entrypoint=_strings(inner.get("Entrypoint")),
        command=_strings(inner.get("Cmd")),
        environment=environment,
        user=str(inner.get("User") or ""),
        working_directory=str(inner.get("WorkingDir") or ""),
        stop_signal=str(inner.get("StopSignal") or ""),
        labels={name: str(value) for name, value in labels.items()},
        volumes=tuple(_object(inner.get("Volumes") or {})),
    )


def _no_match(architecture: str) -> NoMatchingPlatform:
    return NoMatchingPlatform(f"image Manifest does not contain descriptor matching platform 'linux/{architecture}'")


def _object(value: object) -> Document:
    if not isinstance(value, Mapping):
        raise MalformedImage("an object was expected")
    return cast("Document", value)


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise MalformedImage("an array was expected")
    return cast("Sequence[object]", value)


def _strings(value: object) -> tuple[str, ...]:
    return tuple(map(str, _list(value))) if value is not None else ()
