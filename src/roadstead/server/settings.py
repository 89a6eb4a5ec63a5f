"""What a server process is told."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from roadstead.kernel.ids import directory_tag
from roadstead.kernel.settings import DEFAULT_ACCOUNT, DEFAULT_REGION, Deployment


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the server keeps its state and listens.

    `database` is a PostgreSQL URL, None for SQLite below `data_dir`. `state` is the directory of the master key and the blobs, None
    for one below `data_dir`. Servers that share a database share those too; each has a `data_dir` of its own. `iam_quotas` are those
    that differ from AWS's defaults.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 4566
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    fargate_runtime: str = "gvisor"
    database: str | None = None
    state: Path | None = None
    iam_quotas: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def shared(self) -> bool:
        """Whether other servers may work on the same database."""
        return self.database is not None

    @property
    def state_dir(self) -> Path:
        """Blobs, the master key, and SQLite's database."""
        return self.state or self.data_dir / "server"

    @property
    def master_key(self) -> Path:
        """The key that wraps the secrets in the database; the same one for every server."""
        return self.state_dir / "master.key"

    @property
    def name(self) -> str:
        """The server as leases know it: one data directory has one server, which takes its own leases back after a crash."""
        return f"{socket.gethostname()}/{directory_tag(str(self.data_dir))}"

    @property
    def database_url(self) -> str:
        """The store's URL."""
        return self.database or f"sqlite:///{self.state_dir / 'roadstead.db'}"

    def deployment(self) -> Deployment:
        """What requests see of these settings."""
        return Deployment(
            data_dir=self.data_dir,
            host=self.host,
            port=self.port,
            account=self.account,
            region=self.region,
            fargate_runtime=self.fargate_runtime,
            registry_wildcard=wildcard_resolves(),
            iam_quotas=self.iam_quotas,
        )


def wildcard_resolves() -> bool:
    """Whether names below `localhost` resolve to loopback here (libnss-myhostname, systemd-resolved)."""
    try:
        found = socket.getaddrinfo("registry.roadstead.localhost", None)
    except OSError:
        return False
    return all(str(entry[4][0]) in ("127.0.0.1", "::1") for entry in found)
