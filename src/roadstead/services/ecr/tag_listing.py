"""The tags of a repository in lexical order (OCI distribution 1.1, "Listing Tags")."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.tables import tags, within
from roadstead.store import Transaction


async def list_tags(tx: Transaction, key: RepositoryKey, *, after: str, limit: int) -> Sequence[str]:
    """Up to `limit` tags after the tag `after`."""
    stmt = select(tags.c.tag).where(within(tags, key), tags.c.tag > after).order_by(tags.c.tag).limit(limit)
    return (await tx.execute(stmt)).scalars()
