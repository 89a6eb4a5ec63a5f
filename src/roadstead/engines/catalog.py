"""All recipes that are known, and the way from a name to an engine that can be run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from roadstead.engines.cache import Cache, InstalledEngine
from roadstead.engines.errors import InvalidRecipe, UnknownEngine
from roadstead.engines.host import HostFacts
from roadstead.engines.installer import ENGINES_DIRECTORY_VARIABLE, Attempt, Entry, Installer
from roadstead.engines.probes import Probes
from roadstead.engines.progress import Progress, silent
from roadstead.engines.recipe import Recipe, read_recipe
from roadstead.engines.sources import sources

_OWN_RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class Catalog:
    """The recipes, and what installs them on this machine."""

    entries: Mapping[str, Entry]
    installer: Installer

    @property
    def host(self) -> HostFacts:
        """The facts of the machine by which providers are chosen."""
        return self.installer.host

    @property
    def cache(self) -> Cache:
        """Where engines are kept that were downloaded or built."""
        return self.installer.cache

    @classmethod
    def load(
        cls,
        extra_dirs: Iterable[Path] = (),
        *,
        cache: Cache | None = None,
        host: HostFacts | None = None,
        engines_dir: Path | None = None,
    ) -> Catalog:
        """Read our own recipes and those in `extra_dirs`, where a later one of a name replaces an earlier one.

        `engines_dir` is looked at before PATH; when it is None, the directories that the environment variable
        ROADSTEAD_ENGINES_DIR lists (divided by colons) are. Raises InvalidRecipe.
        """
        entries: dict[str, Entry] = {}
        for directory in (_OWN_RECIPES, *extra_dirs):
            for path in sorted(directory.glob("*.toml")):
                recipe = read_recipe(path)
                if recipe.name != path.stem:
                    raise InvalidRecipe(f"{path}: the recipe is named {recipe.name}, the file must be too")
                entries[recipe.name] = Entry(recipe, directory)
        variable = os.environ.get(ENGINES_DIRECTORY_VARIABLE, "")
        named = (engines_dir,) if engines_dir else tuple(Path(part) for part in variable.split(os.pathsep) if part)
        cache = cache or Cache.default()
        probes = Probes(cache.root / "probes.json")
        return cls(entries, Installer(cache, host or HostFacts.read(), named, probes))

    def recipe(self, name: str) -> Recipe:
        """The recipe of this name; raises UnknownEngine, which lists those there are."""
        return self._entry(name).recipe

    def names(self, group: str | None = None) -> list[str]:
        """The names of all recipes, or of those of one group."""
        return [name for name, entry in self.entries.items() if group in (None, entry.recipe.group)]

    async def ensure(self, names: Iterable[str], progress: Progress = silent) -> Mapping[str, InstalledEngine]:
        """Give every named engine, installing those that are missing one after the other.

        When all are there this starts no process and takes a few milliseconds. Raises UnknownEngine, EngineUnavailable with
        each provider's reason, and EngineError for what is wrong with all of them (a full disk, a forged module).
        """
        wanted = [self._entry(name) for name in dict.fromkeys(names)]
        engines: dict[str, InstalledEngine] = {}
        for entry in wanted:
            found, _ = await self.installer.find(entry)
            engines[entry.recipe.name] = found or await self.installer.install(entry, progress)
        return engines

    async def find(self, name: str) -> tuple[InstalledEngine | None, list[Attempt]]:
        """The engine when it is on this machine already, and why places that were looked at would not do."""
        return await self.installer.find(self._entry(name))

    def sources(self, name: str) -> list[str]:
        """Where the engine could come from on this machine, for people to read."""
        return sources(self.recipe(name), self.host)

    def discard(self, name: str) -> None:
        """Remove the cached installations, so that the next `ensure` makes one anew; blocking."""
        self.installer.discard(self._entry(name))

    def verify(self, name: str) -> list[str]:
        """The files of the cached engine that no longer have their recorded checksum; blocking."""
        return self.installer.verify(self._entry(name))

    def _entry(self, name: str) -> Entry:
        try:
            return self.entries[name]
        except KeyError:
            raise UnknownEngine(f"no engine is called {name}; there are {', '.join(self.entries)}") from None
