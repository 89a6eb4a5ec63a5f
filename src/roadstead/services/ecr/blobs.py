"""Which repository may see which blob, and uploads under way. The bytes are in the blob store."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, insert, select

from roadstead.services.ecr.errors import RepositoryNotFoundException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.tables import blob_links, place, references, repositories, uploads, within, within_place
from roadstead.store import Store, Transaction
from roadstead.store.blobs import BlobStore, UploadUnknown

UPLOAD_LIFETIME = timedelta(hours=24)
"""How long an upload that nobody goes on with is kept."""


_SIZE = select(blob_links.c.size).where(within_place(blob_links), blob_links.c.digest == bindparam("digest"))


@dataclass(frozen=True, slots=True)
class RegistryStorage:
    """Where content lives. Operations that move bytes take it, because a transaction waits for nothing but the database."""

    store: Store
    blobs: BlobStore


async def blob_size(tx: Transaction, key: RepositoryKey, digest: str) -> int | None:
    """The size in bytes of a blob that this repository may see, else None."""
    return (await tx.execute(_SIZE, place(key, digest=digest))).scalar()


async def link_blob(tx: Transaction, key: RepositoryKey, digest: str, size: int) -> None:
    """Let a repository see a blob; raises RepositoryNotFoundException when the repository has gone meanwhile."""
    present = await tx.execute(select(repositories.c.repository).where(within(repositories, key)))
    if present.first() is None:
        raise RepositoryNotFoundException.of(key)
    if await blob_size(tx, key, digest) is None:
        await tx.execute(
            insert(blob_links).values(
                **place(key, digest=digest),
                size=size,
                linked_at=tx.clock.now(),
            )
        )


async def unlink_blob(tx: Transaction, key: RepositoryKey, digest: str) -> bool:
    """Hide a blob from a repository; False when it did not see it."""
    gone = await tx.execute(delete(blob_links).where(within(blob_links, key), blob_links.c.digest == digest))
    return bool(gone.rowcount)


async def is_blob_in_use(tx: Transaction, key: RepositoryKey, digest: str) -> bool:
    """Whether an image of the repository consists of this blob."""
    stmt = (
        select(references.c.digest)
        .where(within(references, key), references.c.target == digest, references.c.kind == "blob")
        .limit(1)
    )
    return (await tx.execute(stmt)).first() is not None


async def begin_upload(tx: Transaction, key: RepositoryKey, blob_upload: str) -> str:
    """Bind an upload of the blob store to a repository; returns the id that clients know, a UUID."""
    upload_id = str(uuid.uuid4())
    await tx.execute(
        insert(uploads).values(
            **place(key, upload_id=upload_id, blob_upload=blob_upload),
            created_at=tx.clock.now(),
        )
    )
    return upload_id


async def find_upload(tx: Transaction, key: RepositoryKey, upload_id: str) -> str | None:
    """The blob store's name of an upload of this repository, or None."""
    stmt = select(uploads.c.blob_upload).where(uploads.c.upload_id == upload_id, within(uploads, key))
    return (await tx.execute(stmt)).scalar()


async def end_upload(tx: Transaction, upload_id: str) -> None:
    """Forget an upload that was sealed or aborted."""
    await tx.execute(delete(uploads).where(uploads.c.upload_id == upload_id))


async def expire_uploads(storage: RegistryStorage, now: datetime) -> int:
    """Drop uploads that were left alone for UPLOAD_LIFETIME; returns how many. For a controller."""
    before = now - UPLOAD_LIFETIME
    expired = await storage.blobs.expire_uploads(before)
    async with storage.store.snapshot() as tx:
        stmt = select(uploads.c.upload_id, uploads.c.blob_upload).where(uploads.c.created_at < before).limit(1000)
        candidates = (await tx.execute(stmt)).all()
    gone = [upload_id for upload_id, blob_upload in candidates if not await _is_alive(storage.blobs, blob_upload)]
    if gone:
        await storage.store.run(lambda tx: tx.execute(delete(uploads).where(uploads.c.upload_id.in_(gone))))
    return expired


async def _is_alive(blobs: BlobStore, blob_upload: str) -> bool:
    try:
        await blobs.upload_status(blob_upload)
    except UploadUnknown:
        return False
    return True
