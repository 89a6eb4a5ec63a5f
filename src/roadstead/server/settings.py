"""What a server process is told."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from roadstead.audit.settings import FOLDER as TRAIL_FOLDER
from roadstead.audit.settings import KEPT_MEGABYTES, TrailSettings
from roadstead.gateway.forwarding import UpstreamSettings
from roadstead.kernel.ids import directory_tag
from roadstead.kernel.settings import DEFAULT_ACCOUNT, DEFAULT_GC_GRACE, DEFAULT_REGION, Deployment
from roadstead.server.ecr_settings import EcrSettings


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the server keeps its state and listens.

    `database` is a PostgreSQL URL, None for SQLite below `data_dir`. `state` is the directory of the master key and the blobs, None
    for one below `data_dir`. Servers that share a database share those too; each has a `data_dir` of its own. `iam_quotas` are those
    that differ from AWS's defaults. `audit_megabytes` bounds the trail below `data_dir`; 0 keeps none.
    `upstreams` are those of services that are not built here. `blobs` is the URL of a bucket for the registry's content, None for a
    directory in `state`; `gc_grace` is how long content is kept that nothing refers to.
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
    audit_megabytes: int = KEPT_MEGABYTES
    upstreams: tuple[UpstreamSettings, ...] = ()
    ecr: EcrSettings = field(default_factory=EcrSettings)
    blobs: str | None = None
    gc_grace: timedelta = timedelta(seconds=DEFAULT_GC_GRACE)

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

    def trail(self) -> TrailSettings:
        """Where this server writes its trail; each server has its own files."""
        return TrailSettings(
            folder=self.data_dir / TRAIL_FOLDER,
            server=self.name,
            account=self.account,
            region=self.region,
            kept_bytes=self.audit_megabytes * 1024 * 1024,
        )

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
            ecr_quotas=self.ecr.quotas,
            pull_through=self.ecr.pull_through,
        )


def wildcard_resolves() -> bool:
    """Whether names below `localhost` resolve to loopback here (libnss-myhostname, systemd-resolved)."""
    try:
        found = socket.getaddrinfo("registry.roadstead.localhost", None)
    except OSError:
        return False
    return all(str(entry[4][0]) in ("127.0.0.1", "::1") for entry in found)
