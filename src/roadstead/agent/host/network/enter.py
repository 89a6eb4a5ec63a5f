"""`roadstead connect VPC [-- command]`: a shell, or a command, inside a VPC's namespace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from roadstead.agent.host.network.namespaces import NamespaceDirectory
from roadstead.agent.host.network.syscalls import (
    CLONE_NEWNS,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    enter_network,
    mount,
    unshare,
)
from roadstead.kernel.settings import RESOLVER_ADDRESS

_RESOLV_CONF = Path("/etc/resolv.conf")


class NoSuchNamespace(Exception):
    """The VPC isn't on this host."""


def enter(directory: NamespaceDirectory, name: str, command: Sequence[str] = ()) -> NoReturn:
    """Become `command` (the user's shell by default) inside the namespace `name`, asking the VPC's resolver for names.

    Replaces the process, which must have one thread. Raises NoSuchNamespace, and OSError when the command can't be started.
    """
    if not directory.exists(name):
        raise NoSuchNamespace(name)
    argv = list(command) or [os.environ.get("SHELL", "/bin/sh")]
    directory.resolv_conf.write_text(f"nameserver {RESOLVER_ADDRESS}\n")
    enter_network(directory.path(name))
    unshare(CLONE_NEWNS)
    mount(None, Path("/"), MS_REC | MS_PRIVATE)
    mount(directory.resolv_conf, _RESOLV_CONF.resolve(), MS_BIND)
    os.execvp(argv[0], argv)  # noqa: S606 - the user's own command
