"""What containerd and engines leave in the kernel: of a whole deployment, whose containerd has ended, and of one container."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.errors import RuntimeFault

_MNT_DETACH = 2
_OCTAL_ESCAPES = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


class CleanupError(RuntimeFault):
    """Something of the deployment can't be removed."""


def mount_points(below: Path) -> list[Path]:
    """Mount points of this mount namespace below a directory, the deepest first (proc_pid_mountinfo(5))."""
    found: list[Path] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        text = line.split()[4]
        for escape, character in _OCTAL_ESCAPES.items():
            text = text.replace(escape, character)
        if below in Path(text).parents:
            found.append(Path(text))
    return found[::-1]


def release(settings: RuntimeSettings) -> None:
    """Unmount what engines keep below the state directory (gVisor keeps an empty network namespace) and remove control groups.

    For after containerd has ended; blocking. Raises CleanupError, CgroupError.
    """
    try:
        _unmount(settings.state)
    except OSError as error:
        raise CleanupError(f"{error.filename} can't be unmounted: {error.strerror}") from error
    Cgroups(settings.tag, settings.cgroup_root).remove_all()


def remove_bundle(bundle: Path) -> None:
    """Remove a container's bundle and what is mounted in it. Blocking; raises OSError."""
    _unmount(bundle)
    shutil.rmtree(bundle)


def _unmount(below: Path) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    for path in mount_points(below):
        if library.umount2(os.fsencode(path), _MNT_DETACH) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
