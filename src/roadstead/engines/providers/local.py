"""Engines that are on the machine already: in a directory that the user names, or on PATH."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from roadstead.engines.cache import InstalledEngine
from roadstead.engines.errors import NotProvided
from roadstead.engines.probes import Probes
from roadstead.engines.recipe import Recipe

# A user's PATH often lacks these, and Debian installs runc and nft there.
_SYSTEM_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin")


async def find(recipe: Recipe, named: Iterable[Path], probes: Probes) -> InstalledEngine:
    """The engine in the first directory that holds all its files in a version that fits.

    `named` directories come before PATH. Raises NotProvided, which says what was found and why it would not do.
    """
    refused: list[str] = []
    for directory in dict.fromkeys([*named, *_search_path()]):
        files = {file: directory / file for file in recipe.files}
        if not _is_program(files[recipe.check.file]):
            continue
        missing = [file for file, path in files.items() if not _is_program(path)]
        if missing:
            refused.append(f"{directory} has no {', '.join(missing)}")
            continue
        version, refusal = await _judge(recipe, files[recipe.check.file], probes)
        if refusal is None:
            return InstalledEngine(recipe.name, version, "path", files)
        refused.append(refusal)
    raise NotProvided("; ".join(refused) or f"no {recipe.check.file} on PATH")


def _is_program(path: Path) -> bool:
    """Whether it may be run; a directory, which may be searched, may not."""
    return path.is_file() and os.access(path, os.X_OK)


async def _judge(recipe: Recipe, binary: Path, probes: Probes) -> tuple[str, str | None]:
    probe = await probes.probe(binary, recipe.check)
    if probe.version is None:
        return "", f"{binary} shows no version"
    if not recipe.check.allows(probe.version):
        return probe.version, f"{binary} is {probe.version}, needed is {recipe.check.accepts}"
    if recipe.check.static and not probe.static:
        return probe.version, f"{binary} is not statically linked"
    return probe.version, None


def _search_path() -> list[Path]:
    entries = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *_SYSTEM_PLACES]
    return [Path(entry) for entry in entries if entry.startswith("/")]
