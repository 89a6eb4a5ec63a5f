"""What a host has that tests could leave behind or change: processes, mounts, cgroups, interfaces, routes, tables, settings."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

_OURS = ("roadstead", "containerd", "runsc", "postgres", "distribution", "olareg", "versitygw", "dockerd")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SETTINGS = (
    "/proc/sys/net/ipv4",
    "/proc/sys/net/ipv4/conf/all",
    "/proc/sys/net/ipv4/conf/default",
    "/proc/sys/net/bridge",
)
_FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/passwd", "/etc/subuid")


def traces() -> frozenset[str]:
    """All of it, each a line that somebody can look for."""
    return frozenset([*_processes(), *_mounts(), *_directories(), *_network(), *_settings()])


def differences(before: frozenset[str]) -> list[str]:
    """What is there now and was not, and what was there and is not; that a process ended is no difference."""
    now = traces()
    gone = [line for line in before - now if not line.startswith("process ")]
    return sorted([*(f"new: {line}" for line in now - before), *(f"gone: {line}" for line in gone)])


def _processes() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it ended
            if entry.name.isdecimal():
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                program = " ".join(words[:4])  # python -m roadstead server
                if any(name in program for name in _OURS) and "pytest" not in program and "\n" not in program:
                    yield f"process {entry.name}: {' '.join(words)[:200]}"


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        yield f"mount {line.split()[4]}"


def _directories() -> Iterator[str]:
    for path in Path("/run").glob("roadstead*"):
        yield f"directory {path}"
    for path in Path("/sys/fs/cgroup").rglob("*roadstead*"):
        yield f"cgroup {path}"


def _network() -> Iterator[str]:
    for path in Path("/sys/class/net").iterdir():
        yield f"interface {path.name}"
    for command in ("ip route show table all", "ip rule", "nft list tables", "ip netns list"):
        done = subprocess.run(command.split(), env={"PATH": _PATH}, capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            yield f"{command}: {line.strip()}"


def _settings() -> Iterator[str]:
    for folder in _SETTINGS:
        for file in Path(folder).glob("*"):
            with contextlib.suppress(OSError):  # can't be read by anybody, or a folder
                yield f"{file} = {file.read_text().strip()}"
    for name in _FILES:
        with contextlib.suppress(FileNotFoundError):
            yield f"{name}: {Path(name).read_text()}"
