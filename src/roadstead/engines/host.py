"""The few facts of a machine that decide which engine fits it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

# linux/capability.h
CAPABILITIES = {
    "CAP_CHOWN": 0,
    "CAP_KILL": 5,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_CHROOT": 18,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_NICE": 23,
    "CAP_SYS_RESOURCE": 24,
    "CAP_MKNOD": 27,
}
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class HostFacts:
    """`architecture` is Go's and OCI's name of it; `capabilities` are those in effect for this process."""

    architecture: str
    capabilities: frozenset[str]

    @classmethod
    def read(cls, status: Path = Path("/proc/self/status")) -> HostFacts:
        """The facts of this process on this machine."""
        machine = platform.machine()
        return cls(_GO_ARCHITECTURES.get(machine, machine), effective_capabilities(status.read_text()))


def effective_capabilities(status: str) -> frozenset[str]:
    """The names in the CapEff line of a /proc/PID/status text, as far as `CAPABILITIES` lists them (see proc(5))."""
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    mask = int(line.split()[1], 16)
    return frozenset(name for name, bit in CAPABILITIES.items() if mask >> bit & 1)
