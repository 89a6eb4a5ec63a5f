"""The images of a repository as lifecycle policies see them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from roadstead.core.imagepolicy.evaluate import Image
from roadstead.core.imagepolicy.rules import StorageClass
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.tables import images, references, tags, within
from roadstead.store import Transaction

_STORAGE = {"ACTIVE": StorageClass.STANDARD, "ARCHIVED": StorageClass.ARCHIVE}


async def read_images(tx: Transaction, key: RepositoryKey, digests: Sequence[str] | None = None) -> list[Image]:
    """Every image of the repository, or those of `digests` that are there still."""
    columns = (
        images.c.digest,
        images.c.pushed_at,
        images.c.pulled_at,
        images.c.status,
        images.c.archived_at,
        images.c.activated_at,
        images.c.subject,
    )
    stmt = select(*columns).where(within(images, key))
    named = select(tags.c.digest, tags.c.tag).where(within(tags, key))
    listing = select(references.c.target).where(within(references, key), references.c.kind == "image")
    if digests is not None:
        stmt = stmt.where(images.c.digest.in_(digests))
        named = named.where(tags.c.digest.in_(digests))
        listing = listing.where(references.c.target.in_(digests))
    names: dict[str, list[str]] = {}
    for digest, tag in (await tx.execute(named.order_by(tags.c.tag))).all():
        names.setdefault(digest, []).append(tag)
    listed = set((await tx.execute(listing)).scalars())
    return [
        Image(
            digest=row.digest,
            tags=tuple(names.get(row.digest, ())),
            pushed_at=row.pushed_at,
            pulled_at=row.pulled_at,
            storage=_STORAGE.get(row.status),
            archived_at=row.archived_at,
            activated_at=row.activated_at,
            subject=row.subject,
            listed=row.digest in listed,
        )
        for row in (await tx.execute(stmt)).all()
    ]
