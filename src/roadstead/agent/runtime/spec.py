"""A container in ECS terms to an OCI runtime-spec document (runtime-spec, config.md and config-linux.md). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from roadstead.agent.runtime import capabilities, seccomp
from roadstead.agent.runtime.accounts import Identity
from roadstead.agent.runtime.model import ContainerSpec, ExecSpec, Isolation, Mount, TaskSpec
from roadstead.agent.runtime.process import Process

Document = dict[str, object]

OCI_VERSION = "1.1.0"
MIB = 1 << 20
INIT_PATH = "/sbin/docker-init"
_MINIMUM_SHARES = 2

MASKED_PATHS = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
    "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
)  # fmt: skip
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

CONTAINER_TYPE = "io.kubernetes.cri.container-type"
SANDBOX_ID = "io.kubernetes.cri.sandbox-id"


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A device as the host has it: `type` is `c` or `b`."""

    path: str
    type: str
    major: int
    minor: int
    permissions: str
    mode: int
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """What the host decides for a container.

    `cgroup` is its path below the hierarchies' roots; `sandbox` the id of the gVisor sandbox it joins, or its own id where it is
    the sandbox, and "" with runc. `oom_score` is the agent's own, below which a container's must not go. `init` is the
    host's path of an init program.
    """

    cgroup: str
    sandbox: str = ""
    rootfs: str = "rootfs"
    architecture: str = "amd64"
    oom_score: int = 0
    swap_accounting: bool = False
    init: str | None = None
    devices: tuple[DeviceNode, ...] = ()


class Unsuitable(ValueError):
    """The container asks for what it can't have here; the text says what."""


class InitUnavailable(Unsuitable):
    """The container wants an init process and there is none on this host."""


class SysctlsUnavailable(Unsuitable):
    """The container sets kernel parameters, and gVisor has no way to: it would leave them out without a word."""


def oci_spec(spec: ContainerSpec, task: TaskSpec, process: Process, identity: Identity, place: Place) -> Document:
    """The document for one container. Raises UnknownCapability, InitUnavailable, SysctlsUnavailable."""
    gvisor = task.isolation is Isolation.GVISOR
    if gvisor and spec.sysctls:
        names = ", ".join(sorted(spec.sysctls))
        raise SysctlsUnavailable(f"kernel parameters can't be set in a gVisor sandbox: {names}")
    caps = capabilities.effective(spec.capabilities_add, spec.capabilities_drop, privileged=spec.privileged)
    hostname = spec.hostname or task.hostname
    document: Document = {
        "ociVersion": OCI_VERSION,
        "process": _process(spec, process, identity, caps, hostname, place),
        "root": {"path": place.rootfs, "readonly": spec.readonly_root},
        "mounts": [*_base_mounts(spec, gvisor=gvisor), *_tmpfs(spec.tmpfs), *map(_mount, _mounts(spec, place))],
        "annotations": _annotations(spec.id, place.sandbox),
        "linux": _linux(spec, task, place, caps, gvisor=gvisor),
    }
    if (hostname and task.network_namespace is not None) or (hostname and gvisor):
        document["hostname"] = hostname
    return document


def sandbox_spec(sandbox_id: str, task: TaskSpec, place: Place) -> Document:
    """The document for the `pause` container that holds a gVisor sandbox open for a task."""
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "user": {"uid": 65535, "gid": 65535},
            "args": ["/pause"],
            "cwd": "/",
            "env": ["PATH=/"],
            "noNewPrivileges": True,
            "oomScoreAdj": place.oom_score,
        },
        "root": {"path": place.rootfs, "readonly": True},
        "hostname": task.hostname,
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "mode=755", "size=65536k"],
            },
        ],
        "annotations": _annotations(sandbox_id, place.sandbox),
        "linux": {"cgroupsPath": place.cgroup, "namespaces": _namespaces(task, gvisor=True), "resources": {}},
    }


def exec_process(own: Mapping[str, object], spec: ExecSpec, identity: Identity | None) -> Document:
    """The `process` of one more command in a container whose first `process` is `own`; `identity` None keeps its user."""
    inherited = own.get("env")
    env = cast("list[str]", inherited) if isinstance(inherited, list) else []
    document: Document = {**own, "args": list(spec.args), "terminal": spec.terminal}
    document["env"] = [*env, *(f"{name}={value}" for name, value in spec.environment.items())]
    if spec.working_directory is not None:
        document["cwd"] = spec.working_directory
    if identity is not None:
        document["user"] = _user(identity)
    return document


def _process(
    spec: ContainerSpec, process: Process, identity: Identity, caps: tuple[str, ...], hostname: str, place: Place
) -> Document:
    environment = {**({"HOSTNAME": hostname} if hostname else {}), "HOME": identity.home, **process.environment}
    args = process.args
    if spec.init:
        if place.init is None:
            raise InitUnavailable("an init process was asked for, and this host has no init program")
        args = (INIT_PATH, "--", *args)
    return {
        "user": _user(identity),
        "args": list(args),
        "env": [f"{name}={value}" for name, value in environment.items()],
        "cwd": process.working_directory,
        "capabilities": {kind: list(caps) for kind in ("bounding", "effective", "permitted")},
        "rlimits": [
            {"type": f"RLIMIT_{limit.name.upper()}", "soft": limit.soft, "hard": limit.hard} for limit in spec.ulimits
        ],
        "noNewPrivileges": spec.no_new_privileges,
        "oomScoreAdj": max(spec.oom_score_adj, place.oom_score),
    }


def _user(identity: Identity) -> Document:
    gids = [identity.gid, *(gid for gid in identity.additional_gids if gid != identity.gid)]
    return {"uid": identity.uid, "gid": identity.gid, "additionalGids": gids}


def _base_mounts(spec: ContainerSpec, *, gvisor: bool) -> list[Document]:
    quiet = ["nosuid", "noexec", "nodev"]
    write = "rw" if spec.privileged else "ro"
    mounts: list[Document] = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": quiet},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        },
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": quiet},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*quiet, write]},
        {
            "destination": "/dev/shm",  # noqa: S108 - a path in the container
            "type": "tmpfs",
            "source": "shm",
            "options": [*quiet, "mode=1777", f"size={spec.shm_size_mib * 1024}k"],
        },
    ]
    if not gvisor:
        cgroup = {
            "destination": "/sys/fs/cgroup",
            "type": "cgroup",
            "source": "cgroup",
            "options": [*quiet, "relatime", write],
        }
        mounts.append(dict(cgroup))
    return mounts


def _tmpfs(tmpfs: Mapping[str, str]) -> list[Document]:
    return [
        {
            "destination": path,
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "noexec", "nodev", *filter(None, options.split(","))],
        }
        for path, options in tmpfs.items()
    ]


def _mounts(spec: ContainerSpec, place: Place) -> tuple[Mount, ...]:
    if spec.init and place.init is not None:
        return (Mount(place.init, INIT_PATH, options=("bind", "ro")), *spec.mounts)
    return spec.mounts


def _mount(mount: Mount) -> Document:
    return {
        "destination": mount.destination,
        "type": mount.type,
        "source": mount.source,
        "options": list(mount.options),
    }


def _annotations(container_id: str, sandbox: str) -> dict[str, str]:
    """What the gVisor shim needs to tell a sandbox from a container that joins one."""
    if not sandbox:
        return {}
    if sandbox == container_id:
        return {CONTAINER_TYPE: "sandbox", SANDBOX_ID: sandbox}
    return {CONTAINER_TYPE: "container", SANDBOX_ID: sandbox}


def _namespaces(task: TaskSpec, *, gvisor: bool) -> list[Document]:
    kinds = ("pid", "ipc", "mount") if gvisor else ("pid", "ipc", "mount", "cgroup")
    namespaces: list[Document] = [{"type": kind} for kind in kinds]
    if task.network_namespace is not None:
        namespaces.append({"type": "network", "path": task.network_namespace})
    elif gvisor:
        # Without a namespace of its own gVisor would take the host's addresses.
        namespaces.append({"type": "network"})
    if gvisor or task.network_namespace is not None:
        namespaces.append({"type": "uts"})
    return namespaces


def _linux(spec: ContainerSpec, task: TaskSpec, place: Place, caps: tuple[str, ...], *, gvisor: bool) -> Document:
    linux: Document = {
        "cgroupsPath": place.cgroup,
        "namespaces": _namespaces(task, gvisor=gvisor),
        "resources": _resources(spec, place),
        "maskedPaths": [] if spec.privileged else list(MASKED_PATHS),
        "readonlyPaths": [] if spec.privileged else list(READONLY_PATHS),
    }
    if spec.sysctls:
        linux["sysctl"] = dict(spec.sysctls)
    if place.devices:
        linux["devices"] = [
            {
                "path": device.path,
                "type": device.type,
                "major": device.major,
                "minor": device.minor,
                "fileMode": device.mode,
                "uid": device.uid,
                "gid": device.gid,
            }
            for device in place.devices
        ]
    if spec.seccomp and not spec.privileged and not gvisor:
        linux["seccomp"] = seccomp.profile(caps, place.architecture)
    return linux


def _resources(spec: ContainerSpec, place: Place) -> Document:
    allowed: list[Document] = [{"allow": spec.privileged, "access": "rwm"}]
    for device in place.devices:
        rule: Document = {"allow": True, "type": device.type, "major": device.major, "minor": device.minor}
        allowed.append({**rule, "access": device.permissions})
    resources: Document = {"devices": allowed, "cpu": {"shares": max(spec.cpu_units, _MINIMUM_SHARES)}}
    memory: Document = {}
    if spec.memory_mib is not None:
        memory["limit"] = spec.memory_mib * MIB
        if place.swap_accounting:
            memory["swap"] = spec.memory_mib * MIB
    if spec.memory_reservation_mib is not None:
        memory["reservation"] = spec.memory_reservation_mib * MIB
    if memory:
        resources["memory"] = memory
    if spec.pids is not None:
        resources["pids"] = {"limit": spec.pids}
    return resources
