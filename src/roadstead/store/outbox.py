"""Events that commit together with the state they tell of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Column, Index, String, Table

from roadstead.store.columns import BigSerial, Json, Timestamp
from roadstead.store.metadata import metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigSerial, primary_key=True, autoincrement=True),
    Column("xid", BigInteger, nullable=False),
    Column("topic", String(64), nullable=False),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("resource", String(2048), nullable=False),
    Column("payload", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Index("ix_outbox_xid_id", "xid", "id"),
    Index("ix_outbox_created_at", "created_at"),
    sqlite_autoincrement=True,
)
"""`xid` is the writing transaction's number on PostgreSQL and 0 on SQLite; consumers read in the order of (xid, id).

Ids alone would not do: PostgreSQL hands them out before the commit, so a smaller id can become visible after a larger one.
AUTOINCREMENT keeps SQLite from giving a trimmed row's id away again.
"""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a resource: `topic` as in `ecs.task`, `resource` its ARN or id, `payload` JSON values."""

    topic: str
    account: str
    region: str
    resource: str
    payload: Mapping[str, object] = field(default_factory=dict[str, object])
