"""Which repository may see which blob, and where its bytes are.

A digest has one content, whatever number of repositories see it. A content is at a location that was never another one's, so what is
decided about it in a transaction can be carried out afterwards, while the same digest is pushed anew to another location.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import String, and_, bindparam, case, delete, exists, false, insert, literal_column, or_, select, update

from roadstead.core.registry.collection import DEFAULT_GRACE
from roadstead.services.ecr.errors import RepositoryNotFoundException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.quotas import RegistryLimits
from roadstead.services.ecr.tables import (
    blob_links,
    contents,
    garbage,
    images,
    place,
    references,
    repositories,
    within,
    within_place,
)
from roadstead.store import Lookup, Store, Transaction
from roadstead.store.blobs import BlobStore, Sealed

_AT_ONCE = 500
"""How many digests one statement names."""

LOST = ""
"""The location in links of a content that was lost (checkup): nobody sees the blob until somebody pushes it again."""

_FOUND = Lookup(
    select(blob_links.c.size, blob_links.c.location, blob_links.c.released_at).where(
        within_place(blob_links),
        blob_links.c.digest == bindparam("digest"),
        blob_links.c.location != bindparam("lost"),
    )
)
_CONTENT = Lookup(
    select(contents.c.location, contents.c.size, contents.c.lost_at).where(contents.c.digest == bindparam("digest"))
)
_REPOSITORY = Lookup(select(repositories.c.repository).where(within_place(repositories)))

_archived, _activating, _of_active, _of_blobs = (
    literal_column(f"'{word}'", String) for word in ("ARCHIVED", "ACTIVATING", "ACTIVE", "blob")
)
_away = exists().where(within_place(images), or_(images.c.status == _archived, images.c.status == _activating))
_named = exists().where(
    within_place(references), references.c.target == bindparam("digest"), references.c.kind == _of_blobs
)
_active = exists().where(within_place(images), images.c.digest == references.c.digest, images.c.status == _of_active)
_ARCHIVED = Lookup(select(case((_away, and_(_named, ~_named.where(_active))), else_=false())))
"""Where the repository has no archive, `case` spares what comes after that. The rest goes from the blob to its images: `_active` is a subquery of
its own, as a join would begin with every active image of the repository."""


@dataclass(frozen=True, slots=True)
class RegistryStorage:
    """Where content lives. Operations that move bytes take it, because a transaction waits for nothing but the database."""

    store: Store
    blobs: BlobStore
    grace: timedelta = DEFAULT_GRACE
    """How long garbage collection keeps what nothing refers to."""
    limits: RegistryLimits = field(default_factory=RegistryLimits)


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that a repository may see: bytes, and where the blob store has them; `released_at` as in the table."""

    size: int
    location: str
    released_at: datetime | None = None


async def find_blob(tx: Transaction, key: RepositoryKey, digest: str) -> Blob | None:
    """A blob that this repository may see, else None."""
    rows = await tx.look_up(_FOUND, **place(key, digest=digest, lost=LOST))
    return Blob(*rows[0]) if rows else None


async def is_blob_archived(tx: Transaction, key: RepositoryKey, digest: str) -> bool:
    """Whether all the images that have this blob, one at least, are archived or on their way back: nobody may read it then."""
    return bool((await tx.look_up(_ARCHIVED, **place(key, digest=digest)))[0][0])


async def blob_size(tx: Transaction, key: RepositoryKey, digest: str) -> int | None:
    """The size in bytes of a blob that this repository may see, else None."""
    found = await find_blob(tx, key, digest)
    return None if found is None else found.size


async def noted_size(tx: Transaction, key: RepositoryKey, digest: str) -> int | None:
    """The size in bytes of a blob that this repository sees, or would see if it were not lost, else None."""
    stmt = select(blob_links.c.size).where(within(blob_links, key), blob_links.c.digest == digest)
    return (await tx.execute(stmt)).scalar()


async def add_content(tx: Transaction, key: RepositoryKey, digest: str, sealed: Sealed) -> None:
    """Let a repository see what was just sealed. When the digest has a content already, that one is linked, and the new bytes go.

    Raises RepositoryNotFoundException when the repository has gone meanwhile.
    """
    blob = Blob(sealed.size, sealed.location)
    present = await tx.look_up(_CONTENT, digest=digest)
    if not present:
        row = {"digest": digest, "location": sealed.location, "size": sealed.size, "created_at": tx.clock.now()}
        await tx.execute(insert(contents).values(**row))
    else:
        location, size, lost_at = present[0]
        if lost_at is not None:
            await _replace_content(tx, digest, location, sealed)
        elif location != sealed.location:
            row = {"location": sealed.location, "size": sealed.size, "since": tx.clock.now()}
            await tx.execute(insert(garbage).values(**row))
            blob = Blob(size, location)
    await link_blob(tx, key, digest, blob)


async def _replace_content(tx: Transaction, digest: str, lost: str, sealed: Sealed) -> None:
    """What was lost is here again, for every repository."""
    await tx.execute(insert(garbage).values(location=lost, size=0, since=tx.clock.now()))
    found = {"location": sealed.location, "size": sealed.size}
    await tx.execute(update(contents).where(contents.c.digest == digest).values(**found, lost_at=None))
    await tx.execute(update(blob_links).where(blob_links.c.digest == digest).values(**found))


async def link_blob(tx: Transaction, key: RepositoryKey, digest: str, blob: Blob) -> None:
    """Let a repository see a blob that another one sees; raises RepositoryNotFoundException when the repository has gone meanwhile."""
    if not await tx.look_up(_REPOSITORY, **place(key)):
        raise RepositoryNotFoundException.of(key)
    if await find_blob(tx, key, digest) is not None:
        await hold_blobs(tx, key, [digest])
    else:
        await tx.execute(
            insert(blob_links).values(
                **place(key, digest=digest), size=blob.size, location=blob.location, released_at=tx.clock.now()
            )
        )


async def hold_blobs(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> int:
    """Note that somebody who pushes was told that these blobs are here, so that they stay for a while.

    Returns of how many; an image's need no note, and those that are not here get none.
    """
    held = 0
    for part in _parts(digests):
        mine = (within(blob_links, key), blob_links.c.digest.in_(part), blob_links.c.released_at.is_not(None))
        held += (await tx.execute(update(blob_links).where(*mine).values(released_at=tx.clock.now()))).rowcount
    return held


async def missing_blobs(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> list[str]:
    """Those of the digests of which the repository sees no blob."""
    seen: set[str] = set()
    for part in _parts(digests):
        mine = (within(blob_links, key), blob_links.c.digest.in_(part), blob_links.c.location != LOST)
        seen.update((await tx.execute(select(blob_links.c.digest).where(*mine))).scalars())
    return [digest for digest in digests if digest not in seen]


async def unlink_blob(tx: Transaction, key: RepositoryKey, digest: str) -> bool:
    """Hide a blob from a repository; False when it did not see it."""
    return bool(await unlink_blobs(tx, key, [digest]))


async def unlink_blobs(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> int:
    """Hide blobs from a repository; returns how many it saw."""
    gone = 0
    for part in _parts(digests):
        mine = (within(blob_links, key), blob_links.c.digest.in_(part))
        gone += (await tx.execute(delete(blob_links).where(*mine))).rowcount
        await tx.execute(update(contents).where(contents.c.digest.in_(part)).values(unlinked_at=tx.clock.now()))
    return gone


async def unlink_all(tx: Transaction, key: RepositoryKey) -> None:
    """Hide every blob from a repository that goes."""
    digests = select(blob_links.c.digest).where(within(blob_links, key))
    await tx.execute(update(contents).where(contents.c.digest.in_(digests)).values(unlinked_at=tx.clock.now()))
    await tx.execute(delete(blob_links).where(within(blob_links, key)))


async def claim_blobs(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> None:
    """An image consists of these blobs now: they stay as long as it does."""
    for part in _parts(digests):
        mine = (within(blob_links, key), blob_links.c.digest.in_(part), blob_links.c.released_at.is_not(None))
        await tx.execute(update(blob_links).where(*mine).values(released_at=None))


async def release_blobs(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> None:
    """An image that consisted of these blobs has gone, with its references: those that no other image needs may go after a while."""
    needed = exists().where(
        within(references, key), references.c.target == blob_links.c.digest, references.c.kind == "blob"
    )
    for part in _parts(digests):
        mine = (within(blob_links, key), blob_links.c.digest.in_(part), ~needed)
        await tx.execute(update(blob_links).where(*mine).values(released_at=tx.clock.now()))


async def is_blob_in_use(tx: Transaction, key: RepositoryKey, digest: str) -> bool:
    """Whether an image of the repository consists of this blob."""
    stmt = (
        select(references.c.digest)
        .where(within(references, key), references.c.target == digest, references.c.kind == "blob")
        .limit(1)
    )
    return (await tx.execute(stmt)).first() is not None


def _parts(digests: Sequence[str]) -> list[Sequence[str]]:
    return [digests[i : i + _AT_ONCE] for i in range(0, len(digests), _AT_ONCE)]
