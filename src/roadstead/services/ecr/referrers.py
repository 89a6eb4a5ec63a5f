"""What refers to an image: signatures, attestations, bills of materials (OCI distribution 1.1, "Listing Referrers")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select

from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.tables import images, within
from roadstead.store import Transaction

PAGE_BYTES = 4 * 1024 * 1024
"""About how many bytes of descriptions one answer has."""


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest whose `subject` is the image in question. `size` is that of the manifest in bytes."""

    digest: str
    media_type: str
    size: int
    artifact_type: str | None
    annotations: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class ReferrerPage:
    """Some referrers, and whether there are more after them."""

    referrers: Sequence[Referrer]
    goes_on: bool


def fitting(manifest_sizes: Sequence[int]) -> int:
    """How many of the first manifests of these sizes may be described in one answer, at least one.

    A description is mostly annotations, which are a part of the manifest: its size bounds theirs before they are read.
    """
    total = 0
    for count, size in enumerate(manifest_sizes):
        total += size
        if total > PAGE_BYTES:
            return max(1, count)
    return max(1, len(manifest_sizes))


async def referrers_of(
    tx: Transaction, key: RepositoryKey, subject: str, *, artifact_type: str | None, after: str, limit: int
) -> ReferrerPage:
    """Up to `limit` referrers by digest, and PAGE_BYTES of them, those in the archive left out, beginning after the digest `after`."""
    where = [within(images, key), images.c.subject == subject, images.c.digest > after, images.c.status == "ACTIVE"]
    if artifact_type is not None:
        where.append(images.c.artifact_type == artifact_type)
    ordered = select(images.c.manifest_size).where(*where).order_by(images.c.digest).limit(limit + 1)
    sizes = list((await tx.execute(ordered)).scalars())
    count = min(limit, fitting(sizes))
    stmt = (
        select(
            images.c.digest,
            images.c.media_type,
            images.c.manifest_size,
            images.c.artifact_type,
            images.c.annotations,
        )
        .where(*where)
        .order_by(images.c.digest)
        .limit(count)
    )
    rows = (await tx.execute(stmt)).all()
    found = [
        Referrer(
            row.digest,
            row.media_type,
            row.manifest_size,
            row.artifact_type,
            msgspec.convert(row.annotations, dict[str, str] | None),
        )
        for row in rows
    ]
    return ReferrerPage(found, goes_on=len(sizes) > count)
