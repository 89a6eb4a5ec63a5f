"""The two ends of a transfer: what images come from, and what they go to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from roadstead.images.model import Descriptor, Manifest


@dataclass(frozen=True, slots=True)
class Named:
    """An image of a source: `name` is what it is called there (for people), `tag` its tag and `repository` its path, where it has them."""

    name: str
    root: Descriptor
    tag: str | None = None
    repository: str | None = None


class Source(Protocol):
    """Where images come from. Every method raises ImageError."""

    @property
    def label(self) -> str:
        """What the source is called in errors."""
        ...

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        """The manifest of a descriptor, verified."""
        ...

    def blob(self, descriptor: Descriptor, start: int = 0) -> AsyncGenerator[bytes]:
        """The content of a blob from byte `start` on; goes on by itself after a broken connection."""
        ...

    async def referrers(self, digest: str) -> Sequence[Descriptor]:
        """What refers to a manifest: signatures, attestations, bills of materials."""
        ...


class Target(Protocol):
    """Where images go. Every method raises ImageError."""

    parallel: int
    """How many blobs it takes at once."""

    def name_of(self, named: Named, digest: str) -> str:
        """What an image that was put is called there, for people."""
        ...

    async def has_blob(self, descriptor: Descriptor, source: Source) -> bool:
        """Whether nothing of this blob has to be sent: it is there, or can be had from `source` without us."""
        ...

    async def put_blob(self, descriptor: Descriptor, source: Source, advance: Advance) -> None:
        """Take a blob, going on where an earlier transfer stopped; verified when this returns."""
        ...

    async def put_manifest(self, manifest: Manifest, named: Named | None) -> None:
        """Take a manifest whose content is there; under a name when it has one."""
        ...

    async def has_manifest(self, digest: str) -> bool:
        """Whether a manifest is there; what it names may be missing all the same."""
        ...


class Advance(Protocol):
    """Told how many bytes of a blob are there."""

    def __call__(self, done: int) -> None:
        """`done` bytes from the beginning."""
        ...
