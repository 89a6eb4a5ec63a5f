"""What `up` was told, kept in the data directory for every other command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from roadstead.audit.settings import KEPT_MEGABYTES
from roadstead.kernel.ids import directory_tag
from roadstead.kernel.settings import DEFAULT_ACCOUNT, DEFAULT_GC_GRACE, DEFAULT_LISTEN, DEFAULT_REGION

FILE = "config.json"
SETTINGS_FILE = "roadstead.toml"
"""What the user writes into the data directory, beside what `up` was told."""
FargateRuntime = Literal["gvisor", "runc"]


class NotUpYet(Exception):
    """No deployment was ever started in this data directory, or it is another user's; the text says what to do."""


def default_data() -> Path:
    """`$XDG_DATA_HOME/roadstead`, by default below the home directory."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "roadstead"


DataOption = Annotated[
    Path | None, Parameter(name="--data", help="The data directory; by default ~/.local/share/roadstead.")
]


def resolve_data(data: Path | None) -> Path:
    """The absolute data directory of a command."""
    return (data or default_data()).expanduser().resolve()


DatabaseOption = Annotated[
    str | None, Parameter(name="--database", help="A postgresql:// URL; by default SQLite in --data.")
]
StateOption = Annotated[
    Path | None,
    Parameter(
        name="--state",
        help="The directory of master key and blobs, shared by the servers of one database; by default in --data.",
    ),
]
BlobsOption = Annotated[
    str | None,
    Parameter(
        name="--blobs",
        help="s3://BUCKET/PREFIX for the registry's content (?endpoint=URL&region=NAME&profile=NAME&reads=presigned); by default in --state.",
    ),
]
GraceOption = Annotated[
    int | None,
    Parameter(
        name="--gc-grace", help="Seconds that the registry keeps content which nothing refers to; by default a day."
    ),
]
PeersOption = Annotated[
    tuple[str, ...],
    Parameter(
        name="--peer",
        negative="",
        help="The endpoint (http://HOST:PORT) of another server on the same database; repeatable.",
    ),
]

QuotasOption = Annotated[
    tuple[str, ...],
    Parameter(
        name="--iam-quota",
        negative="",
        help="NAME=NUMBER: a quota of IAM that AWS raises on request (RolesPerAccount=5000); repeatable.",
    ),
]

AuditOption = Annotated[
    int,
    Parameter(name="--audit-megabytes", help="How much of the audit trail is kept on each server; 0 keeps none."),
]


ConfigOption = Annotated[
    Path | None,
    Parameter(
        name="--config",
        help="A TOML file with upstreams for services that Roadstead does not have, and quotas; by default roadstead.toml in --data.",
    ),
]


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A deployment's settings.

    `database` is a URL, None for SQLite below the data directory. `state` is the directory of master key and blobs that servers of
    one database share, None for one below the data directory; `peers` are the endpoints of those other servers. `iam_quotas` are
    those that differ from AWS's defaults. `audit_megabytes` bounds the audit trail; 0 keeps none. `config_file` is the file of further
    settings, None for roadstead.toml in the data directory. `blobs` is where the registry's content is, None for `state`; `gc_grace` are
    the seconds that it keeps what nothing refers to.
    """

    listen: str = DEFAULT_LISTEN
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    fargate_runtime: FargateRuntime = "gvisor"
    database: str | None = None
    state: str | None = None
    peers: tuple[str, ...] = ()
    iam_quotas: dict[str, int] = {}
    audit_megabytes: int = KEPT_MEGABYTES
    config_file: str | None = None
    blobs: str | None = None
    gc_grace: int = DEFAULT_GC_GRACE

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def endpoint(self) -> str:
        """The base URL of the API."""
        return f"http://{self.listen}"

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])


def read_config(data: Path) -> Config:
    """The settings that the last `up` of this data directory used; raises NotUpYet."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=Config)
    except FileNotFoundError:
        raise NotUpYet(f"nothing was started in {data}; run: roadstead up --data {data}{_sudo_hint()}") from None
    except PermissionError:
        raise NotUpYet(f"{data} belongs to another user; try sudo") from None


def _sudo_hint() -> str:
    return "" if os.geteuid() == 0 else " (what root started is seen with sudo only)"


def write_config(data: Path, config: Config) -> None:
    """Keep the settings for later commands."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = data / f".{FILE}.{os.getpid()}"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(config)))
    temporary.replace(data / FILE)


def settings_file(data: Path, config: Config) -> Path | None:
    """The file of a deployment's further settings, upstreams among them; None when there is none."""
    if config.config_file is not None:
        return Path(config.config_file)
    own = data / SETTINGS_FILE
    return own if own.exists() else None


def absolute(path: Path | None) -> str | None:
    """A path as it is kept: what was given is relative to where the command was typed."""
    return str(path.expanduser().resolve()) if path is not None else None


def run_directory(data: Path) -> Path:
    """Sockets, namespaces and bundles of a deployment: a short path, gone after a reboot."""
    return Path("/run") / f"roadstead-{directory_tag(str(data))}"


def agent_socket(data: Path) -> Path:
    """The agent's control socket."""
    return run_directory(data) / "agent.sock"
