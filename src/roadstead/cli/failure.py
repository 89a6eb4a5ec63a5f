"""How a command fails: a sentence for the user and an exit status."""

from __future__ import annotations

import os
import shlex
import sys


class CommandFailed(Exception):
    """The command can't do what was asked; the text says why and what to do."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def require_root() -> None:
    """Fail with the command to run instead, when this is not root: namespaces, mounts and cgroups need it."""
    if os.geteuid() != 0:
        again = shlex.join([sys.executable, "-m", "roadstead", *sys.argv[1:]])
        raise CommandFailed(f"this needs root (namespaces, mounts, cgroups); run: sudo {again}")
