"""How much content a repository and a registry may have: quotas that AWS lacks.

A repository has the blobs that it sees, whoever else sees them; a registry, an account's in a region, has each content once, whatever number of
its repositories see it. Manifests don't count.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, func, select

from roadstead.services.ecr.blobs import RegistryStorage
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.quotas import RegistryLimits
from roadstead.services.ecr.tables import blob_links, registry_of, within
from roadstead.store import Transaction

_NAMES = ("RepositoryBytes", "RegistryBytes")


async def require_room_to_seal(storage: RegistryStorage, key: RepositoryKey, digest: str, blob_upload: str) -> None:
    """Return when what an upload has got would fit as things are; raises LimitExceededException and UploadUnknown (store.blobs).

    Asked before an upload is sealed, outside of a transaction: one that is refused stays, and the client that tries again is told the same, or finds
    room by then. The last word is `require_room_for`'s.
    """
    if any(storage.limits[name] for name in _NAMES):
        size = (await storage.blobs.upload_status(blob_upload)).size
        async with storage.store.snapshot() as tx:
            await require_room_for(tx, key, digest, size, storage.limits)


async def require_room_for(tx: Transaction, key: RepositoryKey, digest: str, size: int, limits: RegistryLimits) -> None:
    """Return when a blob of `size` bytes fits into its repository and registry, or is there already; raises LimitExceededException.

    Belongs into the transaction that lets the repository see the blob.
    """
    registry = registry_of(blob_links, key.account, key.region)
    bounds = (
        (key, within(blob_links, key), f"repository with name '{key.name}'"),
        ((key.account, key.region), registry, f"registry with id '{key.account}'"),
    )
    for name, (of, where, what) in zip(_NAMES, bounds, strict=True):
        if limits[name] and not await _has(tx, where, digest):
            await limits.take(tx, name, of, _bytes(where), f"The {what} has no room for {size} bytes more", amount=size)


async def _has(tx: Transaction, where: ColumnElement[bool], digest: str) -> bool:
    stmt = select(blob_links.c.digest).where(where, blob_links.c.digest == digest).limit(1)
    return (await tx.execute(stmt)).first() is not None


def _bytes(where: ColumnElement[bool]) -> Select[int]:
    unique = select(blob_links.c.digest, blob_links.c.size).where(where).distinct().subquery()
    return select(func.coalesce(func.sum(unique.c.size), 0))
