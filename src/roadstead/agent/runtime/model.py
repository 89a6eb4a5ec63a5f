"""The values that cross the runtime's boundary: what the task engine asks for, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

LOST_EXIT_CODE = 255
"""The exit code of a process that ran and of whose end nobody knows, as with Docker; no code means that none ran."""


class Isolation(Enum):
    """How a container is kept from its host: `runc` shares the host's kernel, `gvisor` has a kernel of its own in user space."""

    RUNC = "runc"
    GVISOR = "gvisor"


class ContainerState(Enum):
    """What containerd says of a container's first process."""

    CREATED = "created"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The part of an OCI image configuration that decides what runs (image-spec, config.md)."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str = ""
    working_directory: str = ""
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is present and unpacked.

    `digest` is what the reference names in the registry (an index or a manifest), which is the `imageDigest` of a task;
    `chain_id` names the snapshot of its last layer; it is empty for an image without layers. `size` is in compressed bytes.
    """

    reference: str
    digest: str
    manifest_digest: str
    chain_id: str
    config: ImageConfig
    size: int


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is: bytes of the layers that are being fetched now."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount, or any other kind the OCI runtime specification knows."""

    source: str
    destination: str
    type: str = "bind"
    options: tuple[str, ...] = ("rbind", "rw")


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A resource limit by Docker's name (`nofile`, `nproc`, ...)."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Device:
    """A host device in the container; `permissions` is a subset of `rwm`."""

    host_path: str
    container_path: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What the containers of one task share.

    `cpu_units` (1024 are one vCPU) and `memory_mib` are limits over all containers together, and None means no limit.
    `network_namespace` is a path; it exists before `create_task`, and its interfaces are configured before the first `start`, because
    a gVisor sandbox takes their addresses over then. That sandbox is a `pause` container that outlives the task's others, also of a
    single one: the exit code of a container that is its own sandbox is lost when it ends before the shim asks for it.
    """

    id: str
    isolation: Isolation = Isolation.RUNC
    cpu_units: int | None = None
    memory_mib: int | None = None
    pids: int | None = None
    network_namespace: str | None = None
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """Where a container's output goes: absolute paths of regular files, which the shim appends to."""

    stdout: Path
    stderr: Path


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container of a task, in ECS terms.

    Entry point, command, user and working directory override the image's when they are not None (Docker's rules: an entry
    point of one's own drops the image's command). Memory is in MiB, `shm_size_mib` too; `cpu_units` are shares.
    """

    id: str
    task_id: str
    image: Image
    output: Output
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str | None = None
    working_directory: str | None = None
    hostname: str = ""
    mounts: tuple[Mount, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict[str, str])
    shm_size_mib: int = 64
    readonly_root: bool = False
    privileged: bool = False
    init: bool = False
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    no_new_privileges: bool = False
    seccomp: bool = True
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict[str, str])
    devices: tuple[Device, ...] = ()
    cpu_units: int = 0
    memory_mib: int | None = None
    memory_reservation_mib: int | None = None
    pids: int | None = None
    oom_score_adj: int = 0
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """A container as containerd knows it now. `exit_code` and `exited_at` are set once it is stopped."""

    id: str
    task_id: str
    state: ContainerState
    pid: int
    labels: Mapping[str, str]
    exit_code: int | None = None
    exited_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContainerExit:
    """The end of a container's first process.

    `signal` is the number of the signal that ended it, when the code says so (128 + n). `oom_killed` means that the kernel
    killed a process of it for memory. `lost` means that nobody saw the end: the machine restarted, or the shim was killed.
    """

    id: str
    task_id: str
    exit_code: int
    exited_at: datetime
    oom_killed: bool = False
    lost: bool = False

    @property
    def signal(self) -> int | None:
        """The signal's number, or None for an ordinary exit."""
        return self.exit_code - 128 if 128 < self.exit_code <= 192 else None


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """One more process in a running container; `output` as for containers, `stdin` the path of a FIFO."""

    id: str
    args: tuple[str, ...]
    output: Output
    stdin: Path | None = None
    terminal: bool = False
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str | None = None
    working_directory: str | None = None
