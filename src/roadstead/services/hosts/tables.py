"""Tables of the hosts service: hosts, the resources they shall have, and the order in which those changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table

from roadstead.store import Json, Timestamp, metadata

hosts = Table(
    "hosts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(2048), nullable=False),
    Column("hostname", String(255), nullable=False),
    Column("status", String(16), nullable=False),
    Column("server", String(128), index=True),
    Column("cpu", Integer, nullable=False),
    Column("memory", Integer, nullable=False),
    Column("boot_id", String(255), nullable=False),
    Column("version", String(255), nullable=False),
    Column("registered_at", Timestamp, nullable=False),
    Column("seen_at", Timestamp, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("oldest_revision", BigInteger, nullable=False),
)
"""`owner` is the ARN of the IAM identity that registered the host; nobody else speaks for it. `server` is the server that holds its
watch stream, null when there is none. `revision` numbers the changes of the host's resources; changes since a revision below
`oldest_revision` can't be told any more, only the whole list.
"""

host_resources = Table(
    "host_resources",
    metadata,
    Column("host", String(64), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("spec", Json, nullable=False),
    Column("deletion_requested", Boolean, nullable=False),
    Column("observed_generation", Integer),
    Column("conditions", Json),
    Column("observed", Json),
    Column("observed_boot_id", String(255)),
    Column("created_at", Timestamp, nullable=False),
    Index("ix_host_resources_revision", "host", "revision"),
    Index("ix_host_resources_id", "kind", "id"),
)
"""A resource is one row a host, so that a VPC can lie on several. `observed_…` is null until the host reports."""

host_tombstones = Table(
    "host_tombstones",
    metadata,
    Column("host", String(64), primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("id", String(128), nullable=False),
    Column("removed_at", Timestamp, nullable=False),
    Index("ix_host_tombstones_removed_at", "removed_at"),
)
"""What was removed, for watchers that resume; trimmed after a while."""

__all__ = ["host_resources", "host_tombstones", "hosts"]
