"""`roadstead logs`: what our processes and engines wrote."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import DataOption, resolve_data


def logs(
    *names: str,
    data: DataOption = None,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
    lines: Annotated[int, Parameter(name=["--lines", "-n"], help="How many of the last lines of each.")] = 50,
) -> None:
    """Print the logs of the named processes (containerd, server, agent, up), by default of all."""
    folder = resolve_data(data) / "logs"
    known = sorted(path.stem for path in folder.glob("*.log"))
    unknown = set(names) - set(known)
    if unknown or not known:
        there = ", ".join(known) or "none"
        raise CommandFailed(f"no log of {', '.join(sorted(unknown)) or 'anything'} in {folder}; there are: {there}")
    paths = [str(folder / f"{name}.log") for name in (names or known)]
    _tail(paths, follow=follow, lines=lines)


def _tail(paths: list[str], *, follow: bool, lines: int) -> None:
    """Become tail(1), which every system has and which follows rotated files."""
    sys.stdout.flush()
    arguments = ["tail", f"--lines={lines}", *(["--follow=name", "--retry"] if follow else []), *paths]
    for folder in os.environ.get("PATH", "/usr/bin:/bin").split(os.pathsep):
        program = Path(folder) / "tail"
        if program.is_file():
            os.execv(program, arguments)  # noqa: S606
    raise CommandFailed("tail is not on PATH")
