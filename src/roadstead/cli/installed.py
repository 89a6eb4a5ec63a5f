"""The engines that a deployment runs on, installed first where they are missing."""

from __future__ import annotations

from collections.abc import Mapping

from roadstead.cli.failure import CommandFailed
from roadstead.cli.processes import needed_engines
from roadstead.cli.settings import Config
from roadstead.engines.cache import InstalledEngine
from roadstead.engines.catalog import Catalog
from roadstead.engines.errors import EngineError


async def installed_engines(config: Config) -> Mapping[str, InstalledEngine]:
    """Every engine that `config` needs; shows how their installation goes. Raises CommandFailed with each provider's reason."""
    names = needed_engines(config)
    try:
        catalog = Catalog.load()
        found = {name: (await catalog.find(name))[0] for name in names}
        there = {name: engine for name, engine in found.items() if engine is not None}
        if len(there) == len(names):
            return there
        from rich.console import Console

        from roadstead.cli.engine_progress import showing

        with showing(Console(stderr=True)) as progress:
            return await catalog.ensure(names, progress)
    except EngineError as error:
        raise CommandFailed(str(error)) from error
