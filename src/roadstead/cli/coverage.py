"""`roadstead coverage`: which operations exist, read from the models."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from roadstead.cli.failure import CommandFailed
from roadstead.gateway.coverage import coverage as measure
from roadstead.server import operations


def coverage(
    service: str | None = None,
    *,
    json: Annotated[bool, Parameter(negative="", help="Print JSON.")] = False,
) -> None:
    """Print how many operations of each service are built, or with SERVICE each operation's name."""
    found = [c for c in measure(operations.DECLARED) if service in (None, c.service)]
    if not found:
        known = ", ".join(c.service for c in measure(operations.DECLARED))
        raise CommandFailed(f"no service is called {service}; there are: {known}")
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        return
    console = Console()
    if service is not None:
        for entry in found:
            for name in sorted((*entry.built, *entry.missing)):
                console.print(f"{'built  ' if name in entry.built else 'missing'} {entry.service}:{name}")
        return
    table = Table("service", "protocols", "built", "of", box=None, pad_edge=False)
    for entry in found:
        total = len(entry.built) + len(entry.missing)
        table.add_row(entry.service, " ".join(entry.protocols), str(len(entry.built)), str(total))
    console.print(table)
