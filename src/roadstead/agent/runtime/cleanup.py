"""What a deployment leaves in the kernel when its containers are gone and its containerd has ended."""

from __future__ import annotations

import ctypes
import os
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
    library = ctypes.CDLL(None, use_errno=True)
    for path in mount_points(settings.state):
        if library.umount2(os.fsencode(path), _MNT_DETACH) != 0:
            raise CleanupError(f"{path} can't be unmounted: {os.strerror(ctypes.get_errno())}")
    Cgroups(settings.tag, settings.cgroup_root).remove_all()
