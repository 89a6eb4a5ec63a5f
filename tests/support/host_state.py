"""What tests could leave behind on a host, or change there: processes that they started, routes and tables, settings, files.

Others use the host too, another run of these tests among them. So processes are those that carry a mark of this run, and of the network
only what names ours counts as new. What a deployment leaves in /run, mounts and control groups is `LiveDeployment.leftovers`.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_MARK = "ROADSTEAD_TEST_RUN"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SETTINGS = ("/proc/sys/net/ipv4", "/proc/sys/net/ipv4/conf/all", "/proc/sys/net/ipv4/conf/default")
_OF_THE_KERNEL = ("tcp_available_", "tcp_allowed_", "tcp_fastopen_key")
"""What changes by itself, when a module is loaded or a key is first used."""
_FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf")
_NETWORK = ("ip -o link", "ip -4 route show table all", "ip rule", "nft list tables")
_OURS = re.compile(r"roadstead|\brs-[0-9a-f]{6}\b|\b[a-z][0-9a-f]{6}[a-z2-7]{8}\b|unreachable")
"""Our interfaces and tables, and what keeps packets of a VPC from leaving the host."""


@dataclass(frozen=True, slots=True)
class HostState:
    """The host at a moment: values by the file that they are in, and lines about its network that name ours."""

    values: Mapping[str, str]
    network: frozenset[str]

    @classmethod
    def now(cls) -> HostState:
        """As it is."""
        return cls(dict(_values()), frozenset(_network()))

    def differences(self, mark: str) -> list[str]:
        """What has changed since, and the processes that carry the mark and still run."""
        now = HostState.now()
        changed = [
            f"{name} is {now.values[name]!r} and was {value!r}"
            for name, value in self.values.items()
            if now.values.get(name, value) != value
        ]
        return [*changed, *sorted(now.network - self.network), *marked(mark)]


def mark_processes() -> str:
    """Have every process that this one starts from now on carry a mark, which is returned."""
    mark = f"{_MARK}={uuid4().hex}"
    os.environ[_MARK] = mark.partition("=")[2]
    return mark


def marked(mark: str) -> list[str]:
    """The processes that carry a mark, but for those that have ended and wait to be reaped."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if entry.name.isdecimal() and mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(f"process {entry.name}: {command[:300]}")
    return found


def _values() -> Iterator[tuple[str, str]]:
    for folder in _SETTINGS:
        for file in Path(folder).glob("*"):
            with contextlib.suppress(OSError):  # a folder, or nobody may read it
                if not file.name.startswith(_OF_THE_KERNEL):
                    yield str(file), file.read_text().strip()
    for name in _FILES:
        with contextlib.suppress(FileNotFoundError):
            yield name, Path(name).read_text()


def _network() -> Iterator[str]:
    for command in _NETWORK:
        if command.startswith("nft") and os.geteuid():
            continue
        done = subprocess.run(command.split(), env={"PATH": _PATH}, capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            if _OURS.search(line):
                yield f"{command}: {line.strip()}"
