"""A table that the store's own tests write to."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from roadstead.store import Json, Timestamp, metadata

things = Table(
    "test_things",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("rank", Integer, nullable=False, default=0),
    Column("payload", Json),
    Column("created_at", Timestamp),
)
