"""Linux capabilities of a container (capabilities(7)): Docker's default set, with additions and removals."""

from __future__ import annotations

DEFAULT = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip

ALL = (
    *DEFAULT, "AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "IPC_LOCK",
    "IPC_OWNER", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN", "NET_BROADCAST", "PERFMON", "SYS_ADMIN",
    "SYS_BOOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME",
    "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM",
)  # fmt: skip


class UnknownCapability(ValueError):
    """Linux has no such capability."""


def effective(add: tuple[str, ...], drop: tuple[str, ...], *, privileged: bool) -> tuple[str, ...]:
    """The set, as sorted `CAP_...` names; `ALL` adds or drops every one. Raises UnknownCapability.

    As in Docker, what is both added and dropped by name is dropped, and `add` by name survives a drop of ALL.
    """
    if privileged:
        return tuple(sorted(f"CAP_{name}" for name in ALL))
    added, dropped = _names(add), _names(drop)
    chosen: set[str] = set(ALL) if "ALL" in added else set(DEFAULT)
    if "ALL" in dropped:
        chosen.clear()
    chosen |= added - {"ALL"}
    chosen -= dropped
    return tuple(sorted(f"CAP_{name}" for name in chosen))


def _names(given: tuple[str, ...]) -> set[str]:
    names = {name.upper().removeprefix("CAP_") for name in given}
    if unknown := sorted(names - {*ALL, "ALL"}):
        raise UnknownCapability(f"unknown capability: {unknown[0]}")
    return names
