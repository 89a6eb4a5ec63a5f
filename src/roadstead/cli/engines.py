"""`roadstead engines`: list, install and locate the engines."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from roadstead.cli.engine_progress import showing
from roadstead.engines.catalog import Catalog
from roadstead.engines.errors import EngineError
from roadstead.engines.installer import Attempt

app = App(name="engines", help="List, install and locate the engines that Roadstead supervises.")

Group = Literal["engine", "kubernetes", "peer"]
_COLUMNS = ("engine", "group", "wanted", "found", "provider", "what it does", "comes from")


@app.command(name="list")
async def list_engines() -> int:
    """Show every engine: its version and where that is from, or why it is not there yet; and where it can come from."""
    try:
        rows = await _rows(Catalog.load())
    except EngineError as error:
        return _complain(str(error))
    console = Console()
    if console.is_terminal:
        table = Table(*_COLUMNS, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        print(*("\t".join(row) for row in (_COLUMNS, *rows)), sep="\n")
    return 0


@app.command
async def install(*names: str, group: Group = "engine", again: bool = False) -> int:
    """Install engines, those of a group when none are named, and print the paths of their files.

    Parameters
    ----------
    names
        The engines, as `roadstead engines list` calls them.
    group
        The group to install when no names are given.
    again
        Remove what the cache holds of them first.

    """
    try:
        catalog = Catalog.load()
        wanted = list(names) or catalog.names(group)
        for name in wanted if again else ():
            await asyncio.to_thread(catalog.discard, name)
        with showing(Console(stderr=True)) as progress:
            engines = await catalog.ensure(wanted, progress)
    except (EngineError, OSError) as error:
        return _complain(str(error))
    for engine in engines.values():
        print(*engine.files.values(), sep="\n")
    return 0


@app.command
async def path(name: str, file: Annotated[str | None, Parameter(help="One file of it; otherwise all.")] = None) -> int:
    """Print where the files of an installed engine are."""
    try:
        found, refused = await Catalog.load().find(name)
        if found is None:
            advice = f"run `roadstead engines install {name}`"
            return _complain(f"{name} is not there ({_reasons(refused)}); {advice}")
        print(*([found.path(file)] if file else found.files.values()), sep="\n")
    except EngineError as error:
        return _complain(str(error))
    return 0


async def _rows(catalog: Catalog) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in catalog.names():
        recipe = catalog.recipe(name)
        found, refused = await catalog.find(name)
        present = (found.version, found.provider) if found else ("-", _reasons(refused))
        rows.append((name, recipe.group, recipe.version, *present, recipe.summary, ", ".join(catalog.sources(name))))
    return rows


def _reasons(refused: list[Attempt]) -> str:
    return "; ".join(attempt.reason for _, attempt in refused) or "not installed"


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
