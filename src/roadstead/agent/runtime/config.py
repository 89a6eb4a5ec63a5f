"""containerd's configuration for one deployment: where things lie, what is switched off, whose registry it pulls from.

Formats: containerd's config.toml version 3 (docs/man/containerd-config.toml.5.md) and hosts.toml (docs/hosts.md).
"""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from roadstead.kernel.ids import directory_tag

SOCKET_PATH_LIMIT = 107
"""Bytes of a unix socket's address, the closing NUL left out (unix(7))."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

SHIM_LOAD_SECONDS = 15
"""How long a containerd that starts waits for a shim before it takes its container for lost: three times its own wont, for a busy machine."""

DISABLED_PLUGINS = (
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
    "io.containerd.grpc.v1.cri",
    "io.containerd.grpc.v1.sandbox-controllers",
    "io.containerd.image-verifier.v1.bindir",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.nri.v1.nri",
    "io.containerd.podsandbox.controller.v1.podsandbox",
    "io.containerd.sandbox.controller.v1.shim",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.differ.v1.erofs",
    "io.containerd.tracing.processor.v1.otlp",
)
"""What the task engine never uses; without these containerd starts faster and is smaller."""


@dataclass(frozen=True, slots=True)
class EnginePaths:
    """Programs, by absolute path; `runsc` and its shim may be absent, and then gVisor tasks can't run here."""

    containerd: Path
    runc_shim: Path
    runc: Path
    runsc: Path | None = None
    runsc_shim: Path | None = None
    pause: Path | None = None
    init: Path | None = None


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Where the runtime of one deployment lives.

    `data` holds images and metadata, `state` sockets and bundles; `tag` marks every kernel object of the deployment;
    `registry` is the URL of Roadstead's endpoint (`http://127.0.0.1:4566`), the only place images come from, and `mirrors` are those
    of further servers of the same deployment, asked while it is away.
    """

    data: Path
    state: Path
    engines: EnginePaths
    registry: str
    mirrors: tuple[str, ...] = ()
    tag: str = ""
    namespace: str = "roadstead"
    snapshotter: str = "overlayfs"
    cgroup_root: Path = field(default=Path("/sys/fs/cgroup"))

    def __post_init__(self) -> None:
        if not self.tag:
            object.__setattr__(self, "tag", directory_tag(str(self.data)))
        if len(str(self.ttrpc_socket).encode()) > SOCKET_PATH_LIMIT:
            raise ValueError(f"{self.ttrpc_socket} is longer than a socket's path may be ({SOCKET_PATH_LIMIT} bytes)")

    @property
    def socket(self) -> Path:
        """Containerd's gRPC socket."""
        return self.state / "containerd.sock"

    @property
    def ttrpc_socket(self) -> Path:
        """The socket on which shims report."""
        return self.state / "containerd.sock.ttrpc"

    @property
    def bundles(self) -> Path:
        """Containerd's bundles, one directory for each container that has a shim."""
        return self.state / "containerd" / "io.containerd.runtime.v2.task" / self.namespace

    @property
    def gvisor_state(self) -> Path:
        """What gVisor knows of its containers."""
        return self.state / "runsc" / self.namespace

    @property
    def config_file(self) -> Path:
        """Containerd's configuration."""
        return self.data / "config.toml"

    @property
    def hosts_directory(self) -> Path:
        """The directory of hosts.toml files."""
        return self.data / "certs.d"

    @property
    def runsc_shim_wrapper(self) -> Path:
        """The program that containerd starts as gVisor's shim."""
        return self.data / "containerd-shim-runsc-v1"

    @property
    def runsc_config_file(self) -> Path:
        """What the gVisor shim reads."""
        return self.data / "runsc.toml"

    @property
    def pause_rootfs(self) -> Path:
        """The root file system of gVisor's sandbox container: `/pause` and nothing else."""
        return self.data / "pause"

    @property
    def architecture(self) -> str:
        """The machine's architecture by its OCI name."""
        machine = platform.machine()
        return _ARCHITECTURES.get(machine, machine)

    def argv(self) -> tuple[str, ...]:
        """The command line that starts containerd in the foreground."""
        return (str(self.engines.containerd), "--config", str(self.config_file))

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment for containerd: `inherited`, with the shims' directories first in PATH."""
        path = inherited.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        return {**inherited, "PATH": f"{self.data}:{self.engines.runc_shim.parent}:{path}"}


def _string(value: object) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return json.dumps(str(value))


def containerd_toml(settings: RuntimeSettings) -> str:
    """The text of config.toml."""
    disabled = ",\n".join(f"  {_string(name)}" for name in DISABLED_PLUGINS)
    platform_name = f"linux/{settings.architecture}"
    return f"""version = 3
root = {_string(settings.data / "root")}
state = {_string(settings.state / "containerd")}
disabled_plugins = [
{disabled},
]

[grpc]
address = {_string(settings.socket)}

[ttrpc]
address = {_string(settings.ttrpc_socket)}

[debug]
level = "warn"

[timeouts]
"io.containerd.timeout.shim.load" = "{SHIM_LOAD_SECONDS}s"

[plugins."io.containerd.transfer.v1.local"]
config_path = {_string(settings.hosts_directory)}

[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = {_string(platform_name)}
snapshotter = {_string(settings.snapshotter)}
differ = "walking"
"""


def default_hosts_toml(registry: str, mirrors: Sequence[str] = ()) -> str:
    """The hosts.toml of every registry without one of its own: ours alone answers, for pulls alone.

    containerd adds `?ns=HOST` with the host that the reference names. `server` is ours too, so no name is ever looked up.
    """
    urls = [_string(each.rstrip("/")) for each in (registry, *mirrors)]
    tables = "\n".join(f'[host.{url}]\ncapabilities = ["pull", "resolve"]\n' for url in urls)
    return f"server = {urls[0]}\n\n{tables}"


def runsc_toml(settings: RuntimeSettings) -> str:
    """The gVisor shim's options: no socket of the host, no network but the sandbox's own."""
    return f"""binary_name = {_string(settings.engines.runsc or "runsc")}
root = {_string(settings.state / "runsc")}
log_level = "warning"

[runsc_config]
platform = "systrap"
network = "sandbox"
host-uds = "none"
"""


def runsc_shim_wrapper(settings: RuntimeSettings) -> str:
    """A script that runs gVisor's shim without containerd's event socket.

    With one, the shim panics when a container ends while containerd is away, and takes the exit code with it
    (pkg/shim/v1/runsc/service.go, `publishFailureIsFatal`). Nothing here needs its events.
    """
    return f'#!/bin/sh\nTTRPC_ADDRESS= exec {shlex.quote(str(settings.engines.runsc_shim))} "$@"\n'


def write(settings: RuntimeSettings) -> None:
    """Write every file that containerd and the shims read, and put `pause` in its place. Safe to repeat."""
    hosts = settings.hosts_directory / "_default"
    for directory in (settings.data, settings.state, hosts):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _replace(settings.config_file, containerd_toml(settings).encode())
    _replace(hosts / "hosts.toml", default_hosts_toml(settings.registry, settings.mirrors).encode())
    if settings.engines.runsc_shim is not None:
        _replace(settings.runsc_config_file, runsc_toml(settings).encode())
        _replace(settings.runsc_shim_wrapper, runsc_shim_wrapper(settings).encode(), mode=0o700)
    if settings.engines.pause is not None:
        settings.pause_rootfs.mkdir(exist_ok=True, mode=0o755)
        program = settings.engines.pause.read_bytes()
        target = settings.pause_rootfs / "pause"
        if not target.exists() or target.read_bytes() != program:
            _replace(target, program, mode=0o755)


def _replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.chmod(mode)
    new.replace(path)
