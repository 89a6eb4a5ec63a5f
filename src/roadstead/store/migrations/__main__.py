"""For developers: write the next revision, or see whether one is missing."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from roadstead.store import metadata, open_store
from roadstead.store.migrations import configuration, upgrade
from roadstead.store.migrations.fingerprint import VERSIONS, fingerprint, write_into

_ALL_TABLES = "roadstead.server.tables"


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m roadstead.store.migrations", description=__doc__)
    parser.add_argument(
        "--tables",
        action="append",
        metavar="MODULE",
        help=f"module that imports the tables (default {_ALL_TABLES}; repeatable)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    revision = commands.add_parser("revision", help="write a revision with the difference between tables and revisions")
    revision.add_argument("message", help="what changes and why, one line")
    commands.add_parser("check", help="exit with 1 and list the differences if a revision is missing")
    options = parser.parse_args()
    for module in options.tables or [_ALL_TABLES]:
        importlib.import_module(module)
    return asyncio.run(_write(options.message) if options.command == "revision" else _check())


async def _write(message: str) -> int:
    def write(connection: Connection) -> None:
        upgrade(connection)
        config = configuration(connection, metadata)
        number = 1 + max(
            (int(script.revision) for script in ScriptDirectory.from_config(config).walk_revisions()), default=0
        )
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        (written,) = VERSIONS.glob(f"{number:04d}_*.py")
        write_into(written, fingerprint(metadata))

    with tempfile.TemporaryDirectory() as directory:
        async with await open_store(f"sqlite:///{Path(directory) / 'empty.db'}") as store:
            await store.change_schema(write)
    for step in (["check", "--fix", "--quiet"], ["format", "--quiet"]):
        subprocess.run([Path(sys.executable).with_name("ruff"), *step, VERSIONS], check=True)  # noqa: ASYNC221 - a tool
    return 0


async def _check() -> int:
    with tempfile.TemporaryDirectory() as directory:
        async with await open_store(f"sqlite:///{Path(directory) / 'empty.db'}") as store:
            await store.migrate()
            differences = await store.schema_drift()
    for difference in differences:
        print(difference)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
