"""The few system calls that Python 3.11 lacks: unshare, setns, mount, umount2."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

THREAD_NAMESPACE = Path("/proc/thread-self/ns/net")
"""The calling thread's network namespace (/proc/self names the main thread's)."""

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Give the calling thread new namespaces; raises OSError."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace that `descriptor` refers to; raises OSError."""
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def mount(source: Path | None, target: Path, flags: int) -> None:
    """Mount without a file system type: bind mounts and changes of propagation; raises OSError."""
    origin = os.fsencode(source) if source is not None else None
    _check(_libc.mount(origin, os.fsencode(target), None, ctypes.c_ulong(flags), None), f"mount {target}")


def unmount(target: Path) -> None:
    """Detach the mount at `target`, at once even when it is busy; raises OSError."""
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), f"umount {target}")


def enter_network(path: Path) -> None:
    """Move the calling thread into the network namespace at `path`; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(descriptor, CLONE_NEWNET)
    finally:
        os.close(descriptor)
