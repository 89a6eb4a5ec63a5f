"""The system calls that a runc container is refused.

Everything is allowed but a list: the calls that Docker's documentation names as blocked by its default profile, and the newer
mount, namespace and ring interfaces to the same powers. What a capability stands for is open to a container that has the capability.
gVisor containers need none of it: their system calls never reach the host's kernel.
"""

from __future__ import annotations

from collections.abc import Collection

_EPERM = 1
_ENOSYS = 38

_ALWAYS = (
    "add_key", "get_kernel_syms", "io_uring_enter", "io_uring_register", "io_uring_setup", "keyctl", "move_pages", "nfsservctl",
    "query_module", "request_key", "sysfs", "_sysctl", "uselib", "userfaultfd", "ustat", "vm86", "vm86old",
)  # fmt: skip

_UNLESS_CAPABLE: dict[str, tuple[str, ...]] = {
    "CAP_SYS_ADMIN": (
        "bpf", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr",
        "move_mount", "open_tree", "perf_event_open", "pivot_root", "quotactl", "quotactl_fd", "setns", "swapoff",
        "swapon", "umount", "umount2", "unshare",
    ),
    "CAP_SYS_BOOT": ("reboot", "kexec_load", "kexec_file_load"),
    "CAP_SYS_MODULE": ("create_module", "delete_module", "finit_module", "init_module"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp", "process_madvise", "pidfd_getfd"),
    "CAP_SYS_RAWIO": ("ioperm", "iopl"),
    "CAP_SYS_TIME": ("clock_settime", "clock_settime64", "settimeofday", "stime"),
    "CAP_SYS_NICE": ("get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"),
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
}  # fmt: skip

_ARCHITECTURES = {
    "amd64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "arm64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}

_CLONE_NEW_NAMESPACE = 0x7E020000
"""CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET."""


def profile(capabilities: Collection[str], architecture: str) -> dict[str, object]:
    """The `linux.seccomp` object (runtime-spec, config-linux.md) for a container with these `CAP_...` names."""
    denied: list[str] = list(_ALWAYS)
    for capability, names in _UNLESS_CAPABLE.items():
        if capability not in capabilities:
            denied.extend(names)
    rules: list[dict[str, object]] = [_refuse(sorted(denied), _EPERM)]
    if "CAP_SYS_ADMIN" not in capabilities:
        rules.extend(_refuse_masked_clone(bit) for bit in _bits(_CLONE_NEW_NAMESPACE))
        # clone3 hides its flags in memory; ENOSYS makes the C library fall back to clone.
        rules.append(_refuse(["clone3"], _ENOSYS))
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": _ARCHITECTURES.get(architecture, []),
        "syscalls": rules,
    }


def _refuse(names: list[str], errno: int) -> dict[str, object]:
    return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}


def _refuse_masked_clone(bit: int) -> dict[str, object]:
    condition = {"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"}
    return {**_refuse(["clone"], _EPERM), "args": [condition]}


def _bits(mask: int) -> list[int]:
    return [1 << position for position in range(32) if mask >> position & 1]
