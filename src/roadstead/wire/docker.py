"""The Docker Engine API JSON that `DockerConfig` carries: the members that task definitions reach (Docker Engine API 1.21 to 1.44)."""

from __future__ import annotations

import msgspec


class _Docker(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    pass


class Healthcheck(_Docker, frozen=True, kw_only=True):
    """`test` is `["CMD", …]`, `["CMD-SHELL", TEXT]` or `["NONE"]`; times in nanoseconds, 0 for the default."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    retries: int = 0
    start_period: int = 0


class ContainerConfig(_Docker, frozen=True, kw_only=True):
    """What belongs to a container's process."""

    user: str = ""
    working_dir: str = ""
    hostname: str = ""
    labels: dict[str, str] = {}
    healthcheck: Healthcheck | None = None
    tty: bool = False
    open_stdin: bool = False
    network_disabled: bool = False


class LogConfig(_Docker, frozen=True, kw_only=True):
    """A log driver and its options (`awslogs-group`, `awslogs-region`, …)."""

    type: str = ""
    config: dict[str, str] = {}


class Ulimit(_Docker, frozen=True, kw_only=True):
    """A resource limit by Docker's name (`nofile`)."""

    name: str
    soft: int
    hard: int


class HostConfig(_Docker, frozen=True, kw_only=True):
    """What belongs to a container's surroundings; `memory_reservation` and `memory_swap` in bytes, `shm_size` in bytes."""

    network_mode: str = ""
    log_config: LogConfig | None = None
    ulimits: tuple[Ulimit, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    memory_reservation: int = 0
    memory_swap: int = 0
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    readonly_rootfs: bool = False
    privileged: bool = False
    security_opt: tuple[str, ...] = ()
    sysctls: dict[str, str] = {}
    shm_size: int = 0
    tmpfs: dict[str, str] = {}
    init: bool = False


def read_config(text: str) -> ContainerConfig:
    """The container's configuration; empty text is the default. Raises msgspec.MsgspecError."""
    return msgspec.json.decode(text, type=ContainerConfig) if text else ContainerConfig()


def read_host_config(text: str) -> HostConfig:
    """The host configuration; empty text is the default. Raises msgspec.MsgspecError."""
    return msgspec.json.decode(text, type=HostConfig) if text else HostConfig()


def write(config: ContainerConfig | HostConfig) -> str:
    """The JSON text of either."""
    return msgspec.json.encode(config).decode()
