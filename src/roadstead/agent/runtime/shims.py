"""Shims by their processes: those that containerd lost, because it was killed before it wrote down how to reach them, and those that hang."""

from __future__ import annotations

import os
import signal
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

_PREFIX = "containerd-shim-"


def shim_of(command: Sequence[str], socket: str, namespace: str | None = None) -> str | None:
    """The container whose shim has this command line, where it serves the containerd at `socket`.

    `namespace` is containerd's namespace that it must be in; None stands for any.
    """
    if not command or not command[0].rpartition("/")[2].startswith(_PREFIX):
        return None
    options = dict(pairwise(command))
    if options.get("-address") != socket or namespace not in (None, options.get("-namespace")):
        return None
    return options.get("-id")


def running_shims(socket: Path, namespace: str | None = None) -> dict[int, str]:
    """Container ids by pid, of every shim of the containerd at `socket` and of this namespace there (None: any); blocking."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if (container_id := shim_of(command, str(socket), namespace)) is not None:
                found[int(entry.name)] = container_id
    return found


def kill_shim(container_id: str, socket: Path, namespace: str) -> bool:
    """Kill the shim that a container has for itself; False where it has none. Blocking."""
    mine = [pid for pid, name in running_shims(socket, namespace).items() if name == container_id]
    for pid in mine:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(mine)


def kill_lost(shims: Mapping[int, str], known: Container[str]) -> list[str]:
    """Kill shims whose container is not `known`; the ids. `known` is read after `shims`: a record comes before its shim."""
    lost: list[str] = []
    for pid, container_id in shims.items():
        if container_id not in known:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            lost.append(container_id)
    return lost
