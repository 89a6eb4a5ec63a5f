"""How much content a repository and a registry may have: quotas that AWS lacks.

A repository has the blobs that it sees, whoever else sees them; a registry, an account's in a region, has each content once, whatever number of
its repositories see it. Manifests don't count.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, select

from roadstead.services.ecr.blobs import RegistryStorage
from roadstead.services.ecr.errors import LimitExceededException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.quotas import RegistryLimits
from roadstead.services.ecr.tables import blob_links, registry_of, within
from roadstead.store import Transaction

_NAMES = ("RepositoryBytes", "RegistryBytes")


@dataclass(frozen=True, slots=True)
class Bound:
    """How many bytes one upload may have; `what` has no room for more, by the quota `name` of `limit`."""

    most: int
    what: str
    name: str
    limit: int

    def refusal(self, size: int) -> LimitExceededException:
        """The error of an upload that has `size` bytes."""
        return LimitExceededException(_no_room(self.what, size) + f" (quota {self.name}: {self.limit})")


async def upload_bound(storage: RegistryStorage, key: RepositoryKey) -> Bound | None:
    """What bounds an upload whose digest is not known yet, None where nothing does.

    That is the room that is left as things are. Or, as it may be content that is there already and takes no room, the size of the largest there
    is. Other uploads that go on are not counted.
    """
    if not any(storage.limits[name] for name in _NAMES):
        return None
    bounds: list[Bound] = []
    async with storage.store.snapshot() as tx:
        for name, (_, where, what) in zip(_NAMES, _bounded(key), strict=True):
            limit = storage.limits[name]
            if limit:
                present = int((await tx.execute(_bytes(where))).scalar() or 0)
                largest = int((await tx.execute(select(func.max(blob_links.c.size)).where(where))).scalar() or 0)
                bounds.append(Bound(max(limit - present, largest), what, name, limit))
    return min(bounds, key=lambda bound: bound.most)


async def require_room_to_go_on(storage: RegistryStorage, key: RepositoryKey, size: int) -> None:
    """Return when an upload may get `size` bytes; raises LimitExceededException."""
    bound = await upload_bound(storage, key)
    if bound is not None and size > bound.most:
        raise bound.refusal(size)


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
    for name, (of, where, what) in zip(_NAMES, _bounded(key), strict=True):
        if limits[name] and not await _has(tx, where, digest):
            await limits.take(tx, name, of, _bytes(where), _no_room(what, size), amount=size)


def _bounded(key: RepositoryKey) -> tuple[tuple[Hashable, ColumnElement[bool], str], ...]:
    """What the quotas bound, in their order: whose room it is, the links of its content, and how errors call it."""
    registry = registry_of(blob_links, key.account, key.region)
    return (
        (key, within(blob_links, key), f"repository with name '{key.name}'"),
        ((key.account, key.region), registry, f"registry with id '{key.account}'"),
    )


def _no_room(what: str, size: int) -> str:
    return f"The {what} has no room for {size} bytes more"


async def _has(tx: Transaction, where: ColumnElement[bool], digest: str) -> bool:
    stmt = select(blob_links.c.digest).where(where, blob_links.c.digest == digest).limit(1)
    return (await tx.execute(stmt)).first() is not None


def _bytes(where: ColumnElement[bool]) -> Select[int]:
    unique = select(blob_links.c.digest, blob_links.c.size).where(where).distinct().subquery()
    return select(func.coalesce(func.sum(unique.c.size), 0))
