"""Finding and installing one engine: the providers of its recipe, tried in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from roadstead.engines.cache import Cache, InstalledEngine
from roadstead.engines.errors import EngineError, EngineUnavailable, NotProvided
from roadstead.engines.host import HostFacts
from roadstead.engines.keys import provider_key
from roadstead.engines.locks import exclusive
from roadstead.engines.probes import Probes
from roadstead.engines.progress import Event, Progress, Stage
from roadstead.engines.providers import golang, local, package, release
from roadstead.engines.recipe import (
    GoProvider,
    PackageProvider,
    PathProvider,
    Provider,
    Recipe,
    ReleaseProvider,
)

ENGINES_DIRECTORY_VARIABLE = "ROADSTEAD_ENGINES_DIR"

Attempt = tuple[str, NotProvided]
"""A provider, and why it would not do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipe and the folder that its sources are relative to."""

    recipe: Recipe
    folder: Path


@dataclass(frozen=True, slots=True)
class Installer:
    """The cache and the machine; `named` are directories that the user wants engines taken from."""

    cache: Cache
    host: HostFacts
    named: tuple[Path, ...]
    probes: Probes

    async def find(self, entry: Entry) -> tuple[InstalledEngine | None, list[Attempt]]:
        """What the machine has of itself, then what the cache has, by the order of the providers."""
        recipe, attempts = entry.recipe, list[Attempt]()
        providers = self._providers(recipe)
        if any(isinstance(provider, PathProvider) for provider in providers):
            try:
                return await local.find(recipe, self.named, self.probes), attempts
            except NotProvided as reason:
                attempts.append(("path", reason))
        for key in self._keys(entry):
            found = self.cache.find(recipe, key)
            if found is not None:
                return found, attempts
        return None, attempts

    async def install(self, entry: Entry, progress: Progress) -> InstalledEngine:
        """Give the engine, from the first provider that can; raises EngineUnavailable and EngineError."""
        name = entry.recipe.name

        def waiting() -> None:
            progress(Event(name, Stage.WAITING, "another process is installing it"))

        try:
            async with exclusive(self.cache.lock_path(entry.recipe), waiting=waiting):
                found, attempts = await self.find(entry)  # whoever held the lock may have installed it
                if found is None:
                    self.cache.sweep(entry.recipe)
                    found = await self._provide(entry, attempts, progress)
        except OSError as error:
            raise EngineError(f"{name} could not be installed in {self.cache.root}: {error}") from error
        progress(Event(name, Stage.READY, found.provider))
        return found

    def discard(self, entry: Entry) -> None:
        """Remove what the cache holds of it; blocking."""
        for key in self._keys(entry):
            self.cache.discard(entry.recipe, key)

    def verify(self, entry: Entry) -> list[str]:
        """The cached files that no longer have their recorded checksum; blocking."""
        return [file for key in self._keys(entry) for file in self.cache.damaged(entry.recipe, key)]

    def _providers(self, recipe: Recipe) -> list[Provider]:
        return [provider for provider in recipe.providers if provider.when.holds(self.host)]

    def _keys(self, entry: Entry) -> list[str]:
        providers = self._providers(entry.recipe)
        return [self._key(entry, each) for each in providers if isinstance(each, ReleaseProvider | GoProvider)]

    def _key(self, entry: Entry, provider: Provider) -> str:
        return provider_key(provider, self.host, entry.folder)

    async def _provide(self, entry: Entry, attempts: list[Attempt], progress: Progress) -> InstalledEngine:
        for provider in self._providers(entry.recipe):
            try:
                match provider:
                    case PathProvider():
                        continue
                    case PackageProvider():
                        return await self._from_package(entry, provider, progress)
                    case ReleaseProvider():
                        return await self._from_release(entry, provider, progress)
                    case GoProvider():
                        return await self._from_modules(entry, provider, progress)
            except NotProvided as reason:
                kind = str(provider.__struct_config__.tag)
                attempts.append((kind, reason))
                progress(Event(entry.recipe.name, Stage.PASSED_OVER, f"{kind}: {reason}"))
        raise EngineUnavailable(
            entry.recipe.name,
            attempts,
            f"put {', '.join(entry.recipe.files)} into a directory and name it in {ENGINES_DIRECTORY_VARIABLE}",
        )

    async def _from_package(self, entry: Entry, provider: PackageProvider, progress: Progress) -> InstalledEngine:
        progress(Event(entry.recipe.name, Stage.INSTALLING, " ".join(provider.packages)))
        await package.install(provider)
        return await local.find(entry.recipe, (), self.probes)

    async def _from_release(self, entry: Entry, provider: ReleaseProvider, progress: Progress) -> InstalledEngine:
        name, key = entry.recipe.name, self._key(entry, provider)

        def report(done: int, total: int | None) -> None:
            progress(Event(name, Stage.DOWNLOADING, "", done, total))

        with self.cache.staging(entry.recipe, "release", key, self.host.architecture) as staging:
            downloads = self.cache.downloads(entry.recipe)
            origin = await release.fetch(provider, entry.recipe, self.host, downloads, staging.bin, report)
            progress(Event(name, Stage.INSTALLING))
            return await asyncio.to_thread(staging.commit, origin, provider.version)

    async def _from_modules(self, entry: Entry, provider: GoProvider, progress: Progress) -> InstalledEngine:
        name, key = entry.recipe.name, self._key(entry, provider)

        def report(detail: str, done: int | None, total: int | None) -> None:
            progress(Event(name, Stage.BUILDING, detail, done, total))

        def waiting() -> None:
            progress(Event(name, Stage.WAITING, "another process is compiling"))

        async with exclusive(self.cache.build_lock_path, waiting=waiting):
            with self.cache.staging(entry.recipe, "go", key, self.host.architecture) as staging:
                origin = await golang.build(
                    provider,
                    sources=entry.folder,
                    scratch=staging.scratch,
                    target=staging.bin,
                    host=self.host,
                    report=report,
                )
                progress(Event(name, Stage.INSTALLING))
                return await asyncio.to_thread(staging.commit, origin)
