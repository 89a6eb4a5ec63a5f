"""What refers to an image: signatures, attestations, bills of materials (OCI distribution 1.1, "Listing Referrers")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select

from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.tables import images, within
from roadstead.store import Transaction


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest whose `subject` is the image in question. `size` is that of the manifest in bytes."""

    digest: str
    media_type: str
    size: int
    artifact_type: str | None
    annotations: dict[str, str] | None


async def referrers_of(
    tx: Transaction, key: RepositoryKey, subject: str, *, artifact_type: str | None, after: str, limit: int
) -> Sequence[Referrer]:
    """Up to `limit` referrers by digest, those in the archive left out, beginning after the digest `after`."""
    stmt = (
        select(
            images.c.digest,
            images.c.media_type,
            images.c.manifest_size,
            images.c.artifact_type,
            images.c.annotations,
        )
        .where(within(images, key), images.c.subject == subject, images.c.digest > after, images.c.status == "ACTIVE")
        .order_by(images.c.digest)
        .limit(limit)
    )
    if artifact_type is not None:
        stmt = stmt.where(images.c.artifact_type == artifact_type)
    rows = (await tx.execute(stmt)).all()
    return [
        Referrer(
            row.digest,
            row.media_type,
            row.manifest_size,
            row.artifact_type,
            msgspec.convert(row.annotations, dict[str, str] | None),
        )
        for row in rows
    ]
