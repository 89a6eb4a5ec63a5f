"""Which version of control groups there is, and whether the controllers that limits need are in it."""

from __future__ import annotations

from pathlib import Path

from roadstead.engines.checkup.finding import Finding, Verdict

_NEEDED = ("cpu", "memory", "pids")


def examine_cgroups(root: Path = Path("/sys/fs/cgroup")) -> Finding:
    """Judge the hierarchy mounted at `root`: version 2 lists its controllers in a file, version 1 has a directory each."""
    unified = root / "cgroup.controllers"
    if unified.is_file():
        version, controllers = 2, set(unified.read_text().split())
    elif root.is_dir():
        version = 1
        controllers = {
            name for path in root.iterdir() if (path / "cgroup.procs").is_file() for name in path.name.split(",")
        }
    else:
        return Finding("cgroups", Verdict.PROBLEM, f"{root} is not there", "mount cgroup2 on it")
    missing = [name for name in _NEEDED if name not in controllers]
    if missing:
        advice = "enable the controllers (kernel command line, or the parent's cgroup.subtree_control)"
        return Finding("cgroups", Verdict.PROBLEM, f"version {version} without {', '.join(missing)}", advice)
    return Finding("cgroups", Verdict.OK, f"version {version} with {', '.join(sorted(controllers & _COMMON))}")


_COMMON = frozenset({"cpu", "cpuset", "memory", "pids", "io", "blkio", "devices", "freezer", "hugetlb"})
