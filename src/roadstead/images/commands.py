"""Import, export and copy: from what a user names to ends that are moved between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from roadstead.images.archives.directory_target import DirectoryTarget
from roadstead.images.archives.files import open_files
from roadstead.images.archives.opening import archive_source
from roadstead.images.archives.tar_target import TarTarget
from roadstead.images.ends import Named
from roadstead.images.errors import ImageError, InvalidReference, NotThere
from roadstead.images.progress import Progress, silent
from roadstead.images.references import Reference
from roadstead.images.registry.connection import Authorization, Connection
from roadstead.images.registry.deployment import AwsSettings, Deployment
from roadstead.images.registry.docker_config import kept_authorization
from roadstead.images.registry.journal import Journal, journal_path
from roadstead.images.registry.places import Place
from roadstead.images.registry.source import RegistrySource
from roadstead.images.registry.target import Create, RegistryTarget
from roadstead.images.transfer import Transfer, Wishes

Format = Literal["oci", "oci-archive", "docker-archive"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who moves images, and how: `create` makes repositories that are missing."""

    aws: AwsSettings = field(default_factory=AwsSettings)
    wishes: Wishes = field(default_factory=Wishes)
    create: bool = False
    progress: Progress = silent
    journal: Path = field(default_factory=journal_path)


async def import_images(caller: Caller, archive: Path, destination: str | None, wanted: Sequence[str]) -> list[Named]:
    """Push the images of an archive, those that are `wanted` (names, tags or digests) or all.

    They go to the repository `destination`, or to those that the archive names; tags are kept, unless `destination` has one.
    Raises ImageError.
    """
    target = Reference.parse(destination) if destination is not None else None
    if target is not None and target.digest is not None:
        raise InvalidReference(f"{destination!r}: a digest is what comes of an import; name a repository or a tag")
    async with AsyncExitStack() as stack:
        files = stack.enter_context(open_files(archive))
        source = await archive_source(files)
        images = _selected(source.images(), wanted, source.label)
        if target is not None and target.tag is not None:
            images = [replace(image, tag=target.tag) for image in _only(images, str(target))]
        registries = await stack.enter_async_context(_registries(caller))
        groups: dict[str, list[Named]] = {}
        for image in images:
            repository = image.repository if target is None else target.repository
            if repository is None:
                raise ImageError(
                    f"{source.label}: {image.name} names no repository; say where it goes: import FILE REPOSITORY"
                )
            groups.setdefault(repository, []).append(image)
        for repository, group in groups.items():
            end = await registries.target(Reference(target.host if target else None, repository), caller.create)
            await Transfer(source, end, caller.wishes, caller.progress).move(group)
        return images


async def export_images(
    caller: Caller, references: Sequence[str], output: Path, kind: Format, *, all_tags: bool, outside: bool
) -> list[Named]:
    """Pull images into an archive of a kind; with `all_tags` every tag of their repositories. Raises ImageError."""
    async with _registries(caller) as registries:
        found = [
            await registries.images(Reference.parse(text), all_tags=all_tags, outside=outside) for text in references
        ]
        images = [image for _, group in found for image in group]
        if kind == "oci":
            directory = await DirectoryTarget.open(output)
            for source, group in found:
                await Transfer(source, directory, caller.wishes, caller.progress).move(group)
            await directory.finish()
            return images
        wanted = [f"{image.name}@{image.root.digest}" for image in images]
        wanted += [str(caller.wishes.platform), str(caller.wishes.referrers)]
        tar = await TarTarget.open(output, wanted, docker=kind == "docker-archive")
        with contextlib.closing(tar):
            for source, group in found:
                await Transfer(source, tar, caller.wishes, caller.progress).move(group)
            await tar.finish()
        return images


async def copy_images(
    caller: Caller, source: str, destination: str, *, source_aws: AwsSettings | None, all_tags: bool, outside: bool
) -> list[Named]:
    """Copy an image, or every tag, from one repository to another, wherever each is. Raises ImageError."""
    target = Reference.parse(destination)
    if target.digest is not None or (all_tags and target.tag is not None):
        raise InvalidReference(
            f"{destination!r}: name a repository{'' if all_tags else ' or a tag'}; digests stay as they are"
        )
    async with _registries(caller) as registries:
        start, images = await registries.images(
            Reference.parse(source), all_tags=all_tags, outside=outside, aws=source_aws
        )
        if target.tag is not None:
            images = [replace(image, tag=target.tag) for image in images]
        end = await registries.target(target, caller.create)
        await Transfer(start, end, caller.wishes, caller.progress).move(images)
        return images


class _Registries:
    """Connections to registries, each made once and closed in the end."""

    def __init__(self, caller: Caller, stack: AsyncExitStack) -> None:
        self._caller = caller
        self._stack = stack
        self._deployments: dict[AwsSettings, Deployment] = {}
        self._connections: dict[tuple[Place, AwsSettings | None], Connection] = {}

    async def images(
        self, reference: Reference, *, all_tags: bool, outside: bool, aws: AwsSettings | None = None
    ) -> tuple[RegistrySource, list[Named]]:
        """A repository as a source, and the image of it that is meant, or one for each tag."""
        connection, _ = await self._connect(reference, aws or self._caller.aws, outside=outside)
        source = RegistrySource(connection, reference)
        if not all_tags:
            return source, await source.images(reference)
        if reference.tag or reference.digest:
            raise InvalidReference(f"{reference}: with all tags, name the repository alone")
        tags = await source.tags()
        if not tags:
            raise NotThere(f"{source.label} has no tags")
        return source, [image for tag in tags for image in await source.images(reference.tagged(tag))]

    async def target(self, reference: Reference, create: bool) -> RegistryTarget:
        """A repository as a target."""
        connection, maker = await self._connect(reference, self._caller.aws, outside=False)
        journal = Journal(self._caller.journal)
        return RegistryTarget(connection, reference.repository, journal, maker if create else None)

    async def _connect(
        self, reference: Reference, aws: AwsSettings, *, outside: bool
    ) -> tuple[Connection, Create | None]:
        if outside and reference.host is not None:
            return await self._stranger(reference.host), None
        deployment = await self._deployment(aws, reference)
        registry = await deployment.find(reference.host) if deployment is not None else None
        if deployment is None or registry is None:
            return await self._stranger(reference.host or ""), None

        async def authorization() -> str:
            return await deployment.authorization(registry)

        async def create(name: str) -> None:
            await deployment.create_repository(registry, name)

        return await self._open(registry.place, registry.place.host, authorization, aws), create

    async def _deployment(self, aws: AwsSettings, reference: Reference) -> Deployment | None:
        """The deployment; None where none is known and the host of the reference does without."""
        if aws not in self._deployments:
            try:
                self._deployments[aws] = await asyncio.to_thread(Deployment, aws)
            except ImageError:
                if reference.host is None or ".ecr." in reference.host:
                    raise
                return None
        return self._deployments[aws]

    async def _stranger(self, host: str) -> Connection:
        async def authorization() -> str | None:
            return await kept_authorization(host)

        return await self._open(Place.of_host(host), host, authorization, None)

    async def _open(self, place: Place, name: str, authorization: Authorization, aws: AwsSettings | None) -> Connection:
        key = (place, aws)
        if key not in self._connections:
            self._connections[key] = await self._stack.enter_async_context(Connection(place, name, authorization))
        return self._connections[key]


@contextlib.asynccontextmanager
async def _registries(caller: Caller) -> AsyncGenerator[_Registries]:
    async with AsyncExitStack() as stack:
        yield _Registries(caller, stack)


def _selected(images: Sequence[Named], wanted: Sequence[str], label: str) -> list[Named]:
    """The images of these names, tags or digests, all without any; raises NotThere with what there is."""
    found = list(images) if not wanted else []
    for name in wanted:
        matching = [image for image in images if name in (image.name, image.tag, image.root.digest)]
        if not matching:
            there = ", ".join(image.name for image in images) or "nothing"
            raise NotThere(f"{label} has no image {name!r}; it has: {there}")
        found += matching
    if not found:
        raise NotThere(f"{label} holds no image")
    return found


def _only(images: Sequence[Named], destination: str) -> Sequence[Named]:
    """The images, when one manifest is all that a tag has to name."""
    if len({image.root.digest for image in images}) > 1:
        names = ", ".join(image.name for image in images)
        raise ImageError(f"{destination} can name one image; choose with --image: {names}")
    return images[:1]
