"""Uploads to a store that has no appending: the pieces each consists of, in the database, so that any server can go on with it.

A row's `version` is what keeps two writers apart: whoever read an older one has appended to what is not the end any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, Row, String, Table, delete, insert, select, update

from roadstead.store.base import Store
from roadstead.store.blobs.interface import OffsetMismatch, UploadUnknown
from roadstead.store.columns import Json, Timestamp
from roadstead.store.metadata import metadata
from roadstead.store.transaction import Transaction

blob_uploads = Table(
    "blob_uploads",
    metadata,
    Column("upload", String(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("pieces", Json, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("touched_at", Timestamp, nullable=False),
    Index("ix_blob_uploads_touched_at", "touched_at"),
)


@dataclass(frozen=True, slots=True)
class Session:
    """An upload under way: bytes, and the locations of its pieces in order."""

    upload: str
    size: int
    pieces: tuple[str, ...]
    version: int
    touched_at: datetime


class Sessions:
    """The rows of `blob_uploads`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, upload: str) -> None:
        """Make a session without content."""

        async def work(tx: Transaction) -> None:
            row: dict[str, object] = {"upload": upload, "size": 0, "pieces": [], "version": 0}
            await tx.execute(insert(blob_uploads).values(**row, touched_at=tx.clock.now()))

        await self._store.run(work)

    async def find(self, upload: str) -> Session:
        """Raises UploadUnknown."""
        async with self._store.snapshot() as tx:
            return await _find(tx, upload)

    async def extend(self, session: Session, piece: str, size: int) -> None:
        """Add a piece that is in its place, `size` bytes; raises OffsetMismatch when somebody else appended meanwhile, and UploadUnknown."""

        async def work(tx: Transaction) -> None:
            this = (blob_uploads.c.upload == session.upload, blob_uploads.c.version == session.version)
            longer = (
                update(blob_uploads)
                .where(*this)
                .values(
                    size=session.size + size,
                    pieces=[*session.pieces, piece],
                    version=session.version + 1,
                    touched_at=tx.clock.now(),
                )
            )
            if not (await tx.execute(longer)).rowcount:
                raise OffsetMismatch((await _find(tx, session.upload)).size)

        await self._store.run(work)

    async def end(self, session: Session) -> None:
        """Remove a session whose content was used as it was found; raises UploadUnknown when it has changed or gone."""

        async def work(tx: Transaction) -> int:
            this = (blob_uploads.c.upload == session.upload, blob_uploads.c.version == session.version)
            return (await tx.execute(delete(blob_uploads).where(*this))).rowcount

        if not await self._store.run(work):
            raise UploadUnknown(session.upload)

    async def stale(self, before: datetime, limit: int) -> Sequence[Session]:
        """Those that nobody has touched since `before`."""
        stmt = select(blob_uploads).where(blob_uploads.c.touched_at < before).order_by(blob_uploads.c.touched_at)
        async with self._store.snapshot() as tx:
            rows = (await tx.execute(stmt.limit(limit))).all()
        return [_session(row) for row in rows]


async def _find(tx: Transaction, upload: str) -> Session:
    row = (await tx.execute(select(blob_uploads).where(blob_uploads.c.upload == upload))).first()
    if row is None:
        raise UploadUnknown(upload)
    return _session(row)


def _session(row: Row[Any]) -> Session:
    pieces = msgspec.convert(row.pieces, tuple[str, ...])
    return Session(row.upload, row.size, pieces, row.version, row.touched_at)
