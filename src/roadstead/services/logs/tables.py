"""Log groups, streams and events. Times of events are milliseconds since the epoch, as the API has them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from roadstead.store import BigSerial, Json, metadata

log_groups = Table(
    "logs_groups",
    metadata,
    Column("id", BigSerial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(512), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("retention_days", Integer),
    Column("tags", Json, nullable=False),
    UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)
"""`tags` are the group's resource tags, name to value. Ids of groups and streams are never given out twice: events of a deleted one may
still be there (see `leftovers`).
"""

log_streams = Table(
    "logs_streams",
    metadata,
    Column("id", BigSerial, primary_key=True),
    Column("group_id", BigInteger, nullable=False),
    Column("name", String(512), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("first_event_ms", BigInteger),
    Column("last_event_ms", BigInteger),
    Column("last_ingestion_ms", BigInteger),
    Column("stored_bytes", BigInteger, nullable=False, default=0),
    UniqueConstraint("group_id", "name"),
    Index("ix_logs_streams_by_time", "group_id", "last_event_ms", "name"),
    sqlite_autoincrement=True,
)

log_events = Table(
    "logs_events",
    metadata,
    Column("id", BigSerial, primary_key=True),
    Column("group_id", BigInteger, nullable=False),
    Column("stream_id", BigInteger, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("ingestion_ms", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Index("ix_logs_events_of_stream", "stream_id", "timestamp_ms", "id"),
    Index("ix_logs_events_of_group", "group_id", "timestamp_ms", "id"),
)
"""`size` is what an event counts as: its message in UTF-8 and 26 bytes. It says what a page holds before messages are read."""

log_leftovers = Table(
    "logs_leftovers",
    metadata,
    Column("id", BigSerial, primary_key=True),
    Column("group_id", BigInteger),
    Column("stream_id", BigInteger),
)
"""Deleted groups and streams (one of the two is set) whose events are still to be removed, by and by."""
