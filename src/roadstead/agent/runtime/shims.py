"""Shims and gVisor's kernels by their processes: those that containerd lost, because it was killed before it wrote down how to reach
them, and those that hang.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

_PREFIX = "containerd-shim-"
_GVISOR_KERNEL = "runsc-sandbox"


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


def sandbox_of(command: Sequence[str], root: str) -> str | None:
    """The sandbox whose kernel has this command line, where gVisor keeps its state in `root`."""
    words = [word for word in command if word]
    if not words or words[0] != _GVISOR_KERNEL or f"--root={root}" not in words:
        return None
    return words[-1]


def running_shims(socket: Path, namespace: str | None = None) -> dict[int, str]:
    """Container ids by pid, of every shim of the containerd at `socket` and of this namespace there (None: any); blocking."""
    found = {pid: shim_of(command, str(socket), namespace) for pid, command in _commands()}
    return {pid: container_id for pid, container_id in found.items() if container_id is not None}


def kill_shim(container_id: str, socket: Path, namespace: str) -> bool:
    """Kill the shim that a container has for itself; False where it has none. Blocking."""
    return _kill([pid for pid, name in running_shims(socket, namespace).items() if name == container_id])


def kill_kernel(sandbox: str, root: Path) -> bool:
    """Kill the kernel of a sandbox, and with it all that runs there; False where there is none. Blocking."""
    return _kill([pid for pid, command in _commands() if sandbox_of(command, str(root)) == sandbox])


def _commands() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            yield int(entry.name), (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")


def _kill(pids: Sequence[int]) -> bool:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


def kill_lost(shims: Mapping[int, str], known: Container[str]) -> list[str]:
    """Kill shims whose container is not `known`; the ids. `known` is read after `shims`: a record comes before its shim."""
    lost: list[str] = []
    for pid, container_id in shims.items():
        if container_id not in known:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            lost.append(container_id)
    return lost
