"""The command line: thin. Modules are imported when their command runs, so that each starts quickly."""

from __future__ import annotations

import sys

from roadstead.cli.bytecode import keep_bytecode
from roadstead.cli.failure import CommandFailed

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name."""
    keep_bytecode()
    from roadstead.cli.app import app

    try:
        app()
    except CommandFailed as error:
        sys.stderr.write(f"roadstead: {error}\n")
        raise SystemExit(error.status) from None
