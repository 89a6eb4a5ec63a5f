"""Log groups, streams and events. Times of events are milliseconds since the epoch, as the API has them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from roadstead.store import BigSerial, metadata

log_groups = Table(
    "logs_groups",
    metadata,
    Column("id", BigSerial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(512), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("retention_days", Integer),
    UniqueConstraint("account", "region", "name"),
)

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
)

log_events = Table(
    "logs_events",
    metadata,
    Column("id", BigSerial, primary_key=True),
    Column("group_id", BigInteger, nullable=False),
    Column("stream_id", BigInteger, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("ingestion_ms", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Index("ix_logs_events_of_stream", "stream_id", "timestamp_ms", "id"),
    Index("ix_logs_events_of_group", "group_id", "timestamp_ms", "id"),
)
