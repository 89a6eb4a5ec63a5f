"""Moving an image: what it is made of, in an order in which nothing names what is not there yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from roadstead.images.ends import Named, Source, Target
from roadstead.images.errors import BadArchive, NotThere
from roadstead.images.model import Descriptor, Manifest
from roadstead.images.progress import Event, Progress, Stage, silent

_MAX_DEPTH = 8
"""How deep indexes may nest."""
_MAX_PARTS = 100_000


@dataclass(frozen=True, slots=True)
class Wishes:
    """What of an image is wanted: `platform` (`os/architecture[/variant]`) of its index, all without one; with what refers to it."""

    platform: str | None = None
    referrers: bool = False


@dataclass(slots=True)
class Transfer:
    """Moves images from one source to one target; content that several of them share moves once."""

    source: Source
    target: Target
    wishes: Wishes = field(default_factory=Wishes)
    progress: Progress = silent
    _moved: set[str] = field(default_factory=set[str])
    """Digests of what this transfer has dealt with."""

    async def move(self, images: Sequence[Named]) -> None:
        """Move every image, each under its name. Raises ImageError; what has arrived by then stays."""
        for image in images:
            manifest = await self._chosen(image)
            named = Named(image.name, manifest.descriptor(platform=image.root.platform), image.tag, image.repository)
            await self._move(manifest, named, 0)
            arrived = self.target.name_of(named, manifest.digest)
            self.progress(Event(image.name, Stage.TAGGED, detail=f"{arrived} {manifest.digest}"))

    async def _chosen(self, image: Named) -> Manifest:
        """The image's manifest: the whole index, or the one of the platform that is wanted."""
        manifest = await self.source.manifest(image.root)
        wanted = self.wishes.platform
        for _ in range(_MAX_DEPTH):
            if wanted is None or not manifest.is_index:
                return manifest
            platforms = [(child, child.platform) for child in manifest.children if child.platform is not None]
            chosen = next((child for child, platform in platforms if platform.answers(wanted)), None)
            if chosen is None:
                there = ", ".join(str(platform) for _, platform in platforms) or "none"
                raise NotThere(f"{image.name} has no image for {wanted}; it has: {there}")
            manifest = await self.source.manifest(chosen)
        raise BadArchive(f"{image.name}: indexes nest deeper than {_MAX_DEPTH}")

    async def _move(self, manifest: Manifest, named: Named | None, depth: int) -> None:
        """Move a manifest after all that it names, and then what refers to it.

        What it names is asked for also where the manifest is: a registry may have lost blobs, and a list may be there without its images.
        """
        if named is None and manifest.digest in self._moved:
            return
        if depth > _MAX_DEPTH:
            raise BadArchive(f"{self.source.label}: manifests nest deeper than {_MAX_DEPTH}")
        if len(self._moved) >= _MAX_PARTS:
            raise BadArchive(f"{self.source.label}: more than {_MAX_PARTS} manifests and blobs belong together")
        for child in manifest.children:
            await self._move(await self.source.manifest(child), None, depth + 1)
        await self._move_blobs(manifest.blobs)
        tagged = named is not None and named.tag is not None
        if tagged or not await self.target.has_manifest(manifest.digest):
            await self.target.put_manifest(manifest, named)
        self._moved.add(manifest.digest)
        if self.wishes.referrers:
            for referrer in await self.source.referrers(manifest.digest):
                await self._move(await self.source.manifest(referrer), None, depth + 1)

    async def _move_blobs(self, blobs: Sequence[Descriptor]) -> None:
        """Move blobs, as many at once as the target takes; the first failure ends the others."""
        slots = asyncio.Semaphore(self.target.parallel)

        async def one(blob: Descriptor) -> None:
            async with slots:
                await self._move_blob(blob)

        try:
            async with asyncio.TaskGroup() as group:
                for blob in blobs:
                    if blob.digest not in self._moved:
                        self._moved.add(blob.digest)
                        group.create_task(one(blob))
        except ExceptionGroup as failures:
            raise _first(failures) from None

    async def _move_blob(self, blob: Descriptor) -> None:
        if await self.target.has_blob(blob, self.source):
            self.progress(Event(blob.digest, Stage.PRESENT, blob.size, blob.size))
            return

        def advance(done: int) -> None:
            self.progress(Event(blob.digest, Stage.COPYING, done, blob.size))

        advance(0)
        await self.target.put_blob(blob, self.source, advance)
        self.progress(Event(blob.digest, Stage.DONE, blob.size, blob.size))


def _first(failures: BaseExceptionGroup[Exception]) -> Exception:
    """The failure itself, out of the group around it."""
    failure: Exception | BaseExceptionGroup[Exception] = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
