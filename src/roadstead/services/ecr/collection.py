"""Garbage collection, while pushes and pulls go on.

Each step is a short transaction that reads again what it decides about, so that it may run beside any request and any other collector, and may
die anywhere:

1. links of blobs that no image consists of any more, and that nobody is pushing (core/registry), go;
2. contents that no repository is linked to go, and their locations become garbage;
3. bytes of locations that no content names, and whose upload has ended, become garbage too: leftovers of a crash;
4. garbage is deleted from the blob store.

A push never waits for any of this. What it was told is there, stays there (step 1); what it seals has a location of its own, which can't be
garbage before its upload has ended (step 3); and from step 2 on a digest that is pushed again gets a new content elsewhere.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Protocol, TypeVar

from sqlalchemy import delete, func, insert, or_, select, update

from roadstead.core.registry.collection import (
    Released,
    collectable,
    counts_after,
    needs_refresh,
    refresh_after,
)
from roadstead.services.ecr.blobs import Blob, RegistryStorage, claim_blobs, hold_blobs, missing_blobs, unlink_blobs
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.tables import blob_links, contents, garbage, references, uploads, within
from roadstead.store import Transaction
from roadstead.store.blobs import BlobInfo, BlobStore

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[T]]

_PAGE = 200
"""Rows that one transaction decides about: it holds up other writers for a few milliseconds."""


class Run(Protocol):
    """Runs a transaction: `Store.run`, or `Shard.run` of a controller, which is fenced."""

    async def __call__(self, work: Work[T], /) -> T:
        """Return what `work` returned, once it is committed."""
        ...


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did: links and contents that went, leftovers that were found, and the bytes that were given back."""

    links: int = 0
    contents: int = 0
    leftovers: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction did: rows that it looked at, and those that went."""

    seen: int
    gone: int


async def keep_for_push(
    storage: RegistryStorage, key: RepositoryKey, found: Mapping[str, Blob], now: datetime
) -> Collection[str]:
    """Note that somebody is about to be told that these blobs are here, where that is not known yet.

    Returns the digests of those that have gone since they were found: nobody may be told that they are here.
    """
    stale = [digest for digest, blob in found.items() if needs_refresh(blob.released_at, now, storage.grace)]

    async def hold(tx: Transaction) -> list[str]:
        held = await hold_blobs(tx, key, stale)
        return [] if held == len(stale) else await missing_blobs(tx, key, stale)

    return await storage.store.run(hold) if stale else []


async def collect_garbage(
    storage: RegistryStorage, run: Run, grace: timedelta, *, leftovers: bool = False
) -> Collected:
    """Do every step; with `leftovers` every stored blob is looked at, which takes its time."""
    links = dropped = 0
    clock = storage.store.clock
    began = clock.now()
    while (step := await run(partial(release_links, grace=grace, began=began))).seen:
        links += step.gone
        began = min(began, clock.now())  # a clock that is set back meanwhile
    while (step := await run(drop_contents)).seen:
        dropped += step.gone
    found = await collect_leftovers(storage, run) if leftovers else 0
    return Collected(links, dropped, found, await delete_garbage(storage, run))


async def release_links(tx: Transaction, grace: timedelta, began: datetime) -> Step:
    """Step 1, for a page of links. What a page keeps is noted as of now, so that no collection that `began` before looks at it again."""
    now = tx.clock.now()
    links = blob_links.c
    # A clock that was set back: what seems to be of the future is of now.
    await tx.execute(update(blob_links).where(links.released_at > now).values(released_at=now))
    stmt = (
        select(links.account, links.region, links.repository, links.digest, links.released_at)
        .where(links.released_at < min(began, now) - grace - refresh_after(grace))
        .order_by(links.released_at)
        .limit(_PAGE)
    )
    old = sorted(tuple(row) for row in await tx.execute(stmt))
    gone = 0
    for place, rows in groupby(old, key=lambda row: row[:3]):
        key = RepositoryKey(*place)
        released = [Released(row[3], row[4]) for row in rows]
        may_go = collectable(released, await _oldest_upload(tx, key, now, grace), now, grace)
        needed = await _needed(tx, key, may_go)
        await claim_blobs(tx, key, needed)
        gone += await unlink_blobs(tx, key, [digest for digest in may_go if digest not in needed])
        # Those of a push that takes its time go to the end of the queue.
        await hold_blobs(tx, key, [each.digest for each in released if each.digest not in set(may_go)])
    return Step(len(old), gone)


async def _oldest_upload(tx: Transaction, key: RepositoryKey, now: datetime, grace: timedelta) -> datetime | None:
    """When the oldest upload that counts began: a busy repository has a hundred thousand others, and is asked for every page of links."""
    ended = uploads.c.ended_at
    stmt = select(func.min(uploads.c.created_at)).where(
        within(uploads, key), or_(ended.is_(None), ended > counts_after(now, grace))
    )
    return (await tx.execute(stmt)).scalar()


async def _needed(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> list[str]:
    stmt = (
        select(references.c.target)
        .where(within(references, key), references.c.target.in_(digests), references.c.kind == "blob")
        .distinct()
    )
    return list((await tx.execute(stmt)).scalars())


async def drop_contents(tx: Transaction) -> Step:
    """Step 2, for a page of contents."""
    stmt = (
        select(contents.c.digest, contents.c.location, contents.c.size)
        .where(contents.c.unlinked_at.is_not(None))
        .limit(_PAGE)
    )
    suspects = (await tx.execute(stmt)).all()
    if not suspects:
        return Step(0, 0)
    digests = [row.digest for row in suspects]
    stmt = select(blob_links.c.digest).where(blob_links.c.digest.in_(digests)).distinct()
    linked = set((await tx.execute(stmt)).scalars())
    await tx.execute(update(contents).where(contents.c.digest.in_(linked)).values(unlinked_at=None))
    over = [row for row in suspects if row.digest not in linked]
    await tx.execute(delete(contents).where(contents.c.digest.in_([row.digest for row in over])))
    await _throw_away(tx, [(row.location, row.size) for row in over])
    return Step(len(suspects), len(over))


async def _throw_away(tx: Transaction, locations: Sequence[tuple[str, int]]) -> None:
    now = tx.clock.now()
    if locations:
        rows = [{"location": location, "size": size, "since": now} for location, size in locations]
        await tx.execute(insert(garbage), rows)


async def collect_leftovers(storage: RegistryStorage, run: Run) -> int:
    """Step 3; returns how many were found."""

    async def throw_away(tx: Transaction, page: Sequence[BlobInfo]) -> int:
        over = await _leftovers(tx, page)
        await _throw_away(tx, [(info.location, info.size) for info in over])
        return len(over)

    return sum([await run(partial(throw_away, page=page)) async for page in _pages(storage.blobs)])


async def count_leftovers(storage: RegistryStorage, run: Run) -> int:
    """What step 3 would find."""

    async def count(tx: Transaction, page: Sequence[BlobInfo]) -> int:
        return len(await _leftovers(tx, page))

    return sum([await run(partial(count, page=page)) async for page in _pages(storage.blobs)])


async def _pages(blobs: BlobStore) -> AsyncGenerator[list[BlobInfo]]:
    page: list[BlobInfo] = []
    async for info in blobs.list():
        page.append(info)
        if len(page) == _PAGE:
            yield page
            page = []
    yield page


async def _leftovers(tx: Transaction, page: Sequence[BlobInfo]) -> list[BlobInfo]:
    """What is sealed, named by no content, and of an upload that has ended, will never be named by any (upload_sessions)."""
    locations = [info.location for info in page]
    known = set((await tx.execute(select(contents.c.location).where(contents.c.location.in_(locations)))).scalars())
    known |= set((await tx.execute(select(garbage.c.location).where(garbage.c.location.in_(locations)))).scalars())
    unknown = [info for info in page if info.location not in known]
    going_on = select(uploads.c.blob_upload).where(
        uploads.c.blob_upload.in_([info.upload for info in unknown]), uploads.c.ended_at.is_(None)
    )
    alive = set((await tx.execute(going_on)).scalars())
    return [info for info in unknown if info.upload not in alive]


async def delete_garbage(storage: RegistryStorage, run: Run) -> int:
    """Step 4; returns how many bytes went. Deleting twice does no harm, so a row goes after its bytes."""
    freed = 0
    while True:
        async with storage.store.snapshot() as tx:
            now = tx.clock.now()
            due = or_(garbage.c.since <= now - storage.blobs.linger, garbage.c.since > now)  # a clock that was set back
            stmt = select(garbage.c.location, garbage.c.size).where(due).limit(_PAGE)
            rows = (await tx.execute(stmt)).all()
        if not rows:
            return freed
        locations = [row.location for row in rows]
        await storage.blobs.delete(locations)
        await run(lambda tx, gone=tuple(locations): tx.execute(delete(garbage).where(garbage.c.location.in_(gone))))
        freed += sum(row.size for row in rows)


async def collectable_now(storage: RegistryStorage, grace: timedelta) -> Collected:
    """What a collection would find, by what is known without reading the blob store: nothing is changed."""
    async with storage.store.snapshot() as tx:
        before = tx.clock.now() - grace - refresh_after(grace)
        links = await tx.execute(
            select(func.count(), func.coalesce(func.sum(blob_links.c.size), 0)).where(blob_links.c.released_at < before)
        )
        count, size = links.one()
        linked = select(blob_links.c.digest).where(blob_links.c.digest == contents.c.digest).exists()
        unlinked = await tx.execute(
            select(func.count(), func.coalesce(func.sum(contents.c.size), 0)).where(
                contents.c.unlinked_at.is_not(None), ~linked
            )
        )
        dropped, dropped_size = unlinked.one()
        waiting = (await tx.execute(select(func.coalesce(func.sum(garbage.c.size), 0)))).scalar()
    return Collected(int(count), int(dropped), 0, int(size) + int(dropped_size) + int(waiting or 0))
