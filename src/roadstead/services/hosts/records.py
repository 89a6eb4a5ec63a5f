"""Rows of the hosts service as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec
from sqlalchemy import RowMapping

from roadstead.wire.hosts import Condition, HostResource, HostResourceStatus

CONNECTED = "CONNECTED"
DISCONNECTED = "DISCONNECTED"


@dataclass(frozen=True, slots=True)
class Host:
    """A host. `cpu` in units (1024 a core), `memory` in MiB; `revision` numbers the changes of its resources."""

    id: str
    owner: str
    hostname: str
    status: str
    cpu: int
    memory: int
    boot_id: str
    version: str
    seen_at: datetime
    revision: int
    oldest_revision: int


Row = RowMapping


def host_of(row: Row) -> Host:
    """A row of `hosts`."""
    return Host(**{name: row[name] for name in Host.__slots__})


def resource_of(row: Row) -> HostResource:
    """A row of `host_resources` as it goes down the watch stream."""
    return HostResource(
        kind=row["kind"],
        id=row["id"],
        host=row["host"],
        account=row["account"],
        region=row["region"],
        generation=row["generation"],
        revision=row["revision"],
        spec=msgspec.Raw(msgspec.json.encode(row["spec"])),
        deletion_requested=row["deletion_requested"],
    )


def status_of(row: Row) -> HostResourceStatus | None:
    """What the host observed, or None before it reported."""
    if row["observed_generation"] is None:
        return None
    return HostResourceStatus(
        kind=row["kind"],
        id=row["id"],
        observed_generation=row["observed_generation"],
        conditions=msgspec.convert(cast("object", row["conditions"] or ()), tuple[Condition, ...]),
        boot_id=row["observed_boot_id"] or "",
    )
