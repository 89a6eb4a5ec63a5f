"""Uploads under way: which repository each belongs to. The bytes are in the blob store, and so is how many there are."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, delete, insert, or_, select, update

from roadstead.services.ecr.blobs import RegistryStorage, add_content
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.tables import place, uploads, within, within_place
from roadstead.store import Lookup, Store, Transaction
from roadstead.store.blobs import BlobStore, Sealed, UploadUnknown

UPLOAD_LIFETIME = timedelta(hours=24)
"""How long an upload that nobody goes on with is kept."""
_PAGE = 500

_UNDER_WAY = Lookup(
    select(uploads.c.blob_upload).where(
        uploads.c.upload_id == bindparam("upload_id"), within_place(uploads), uploads.c.ended_at.is_(None)
    )
)


async def begin_upload(tx: Transaction, key: RepositoryKey, blob_upload: str) -> str:
    """Bind an upload of the blob store to a repository; returns the id that clients know, a UUID."""
    upload_id = str(uuid.uuid4())
    await tx.execute(
        insert(uploads).values(
            **place(key, upload_id=upload_id, blob_upload=blob_upload),
            created_at=tx.clock.now(),
            parts=0,
            small_parts=0,
            last_is_small=0,
            parts_end=0,
        )
    )
    return upload_id


async def find_upload(tx: Transaction, key: RepositoryKey, upload_id: str) -> str | None:
    """The blob store's name of an upload of this repository that goes on, or None."""
    rows = await tx.look_up(_UNDER_WAY, **place(key, upload_id=upload_id))
    return rows[0][0] if rows else None


@dataclass(frozen=True, slots=True)
class Parts:
    """How many parts of UploadLayerPart an upload has, and how many of them, the last one aside, are smaller than a part may be."""

    count: int
    too_small: int


async def parts_of(tx: Transaction, upload_id: str) -> Parts:
    """The parts of an upload that goes on."""
    row = (
        await tx.execute(select(uploads.c.parts, uploads.c.small_parts).where(uploads.c.upload_id == upload_id))
    ).one()
    return Parts(row[0], row[1])


async def count_part(tx: Transaction, upload_id: str, end: int, minimum: int) -> None:
    """Note that a part has arrived which ends at byte `end`; the one before it was not the last one, and is too small below `minimum` bytes.

    A part reaches back to the last one that was counted: between them is what came of one whose server died.
    """
    changes = {
        "parts": uploads.c.parts + 1,
        "small_parts": uploads.c.small_parts + uploads.c.last_is_small,
        "last_is_small": case((end - uploads.c.parts_end < minimum, 1), else_=0),
        "parts_end": end,
    }
    await tx.execute(
        update(uploads).where(uploads.c.upload_id == upload_id, uploads.c.parts_end < end).values(**changes)
    )


async def publish_upload(tx: Transaction, key: RepositoryKey, upload_id: str, digest: str, sealed: Sealed) -> None:
    """End an upload that was sealed, and let its repository see the blob.

    Raises UploadUnknown when it was ended meanwhile: what was sealed may be gone by then. Raises RepositoryNotFoundException.
    """
    if not await end_upload(tx, key, upload_id):
        raise UploadUnknown(upload_id)
    await add_content(tx, key, digest, sealed)


async def end_upload(tx: Transaction, key: RepositoryKey, upload_id: str) -> bool:
    """End an upload; False when there is none that goes on. Whatever it was sealed as can't become visible any more."""
    mine = (uploads.c.upload_id == upload_id, within(uploads, key), uploads.c.ended_at.is_(None))
    return bool((await tx.execute(update(uploads).where(*mine).values(ended_at=tx.clock.now()))).rowcount)


async def expire_uploads(storage: RegistryStorage, now: datetime) -> int:
    """Drop uploads that were left alone for UPLOAD_LIFETIME; returns how many. For a controller."""
    before = now - UPLOAD_LIFETIME
    expired = await storage.blobs.expire_uploads(before)
    after = ""
    while True:
        page = await _old_uploads(storage.store, before, after)
        gone = [old.upload_id for old in page if old.ended or not await _goes_on(storage.blobs, old.blob_upload)]
        if gone:
            forget = delete(uploads).where(uploads.c.upload_id.in_(gone))
            async with storage.store.transaction() as tx:
                await tx.execute(forget)
        if len(page) < _PAGE:
            return expired
        after = page[-1].upload_id


@dataclass(frozen=True, slots=True)
class _OldUpload:
    upload_id: str
    blob_upload: str
    ended: bool


async def _old_uploads(store: Store, before: datetime, after: str) -> list[_OldUpload]:
    stmt = (
        select(uploads.c.upload_id, uploads.c.blob_upload, uploads.c.ended_at)
        .where(uploads.c.created_at < before, uploads.c.upload_id > after)
        .where(or_(uploads.c.ended_at.is_(None), uploads.c.ended_at < before))
        .order_by(uploads.c.upload_id)
        .limit(_PAGE)
    )
    async with store.snapshot() as tx:
        rows = (await tx.execute(stmt)).all()
    return [_OldUpload(row.upload_id, row.blob_upload, row.ended_at is not None) for row in rows]


async def _goes_on(blobs: BlobStore, blob_upload: str) -> bool:
    try:
        await blobs.upload_status(blob_upload)
    except UploadUnknown:
        return False
    return True
