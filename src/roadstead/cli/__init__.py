"""The command line: thin. Modules are imported when their command runs, so that each starts quickly."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from roadstead.cli.bytecode import keep_bytecode
from roadstead.cli.failure import CommandFailed

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name."""
    keep_bytecode()
    replace_unprintable()
    from roadstead.cli.app import app

    try:
        app()
    except CommandFailed as error:
        sys.stderr.write(f"roadstead: {error}\n")
        raise SystemExit(error.status) from None


def replace_unprintable() -> None:
    """Print a `?` for what the terminal's encoding lacks: a dot of ours must not end a supervisor in Latin-1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")
