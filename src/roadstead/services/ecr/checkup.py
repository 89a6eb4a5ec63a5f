"""Checking a registry: is every byte there that the database speaks of, and nothing else? In pages, beside pushes and pulls.

What is lost can't be made up, but a push can bring it back: with `repair`, content that is missing or damaged is marked as lost. Then
clients are told that the blob is not here, the next push of it, to whatever repository, gives it a new content, and every image that
consists of it is whole again. Content that turns up again, as after a mount that had failed, is found by the next check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, tuple_, update

from roadstead.services.ecr.blobs import LOST, RegistryStorage
from roadstead.services.ecr.collection import collect_leftovers, count_leftovers
from roadstead.services.ecr.keys import RepositoryKey, digest_of
from roadstead.services.ecr.tables import blob_links, contents, images, place, references, within
from roadstead.store import Transaction
from roadstead.store.blobs import BlobUnknown, Digest

_ROWS = 100
_BYTES = 256 * 1024 * 1024
"""A page ends after so many bytes were read, or so many rows."""


class Kind(StrEnum):
    """What can be wrong."""

    MISSING = "MissingContent"
    """The bytes of a blob are not there."""
    DAMAGED = "DamagedContent"
    """The bytes of a blob do not have its digest."""
    RETURNED = "ReturnedContent"
    """Content that an earlier check marked as lost is there, and whole."""
    STILL_LOST = "LostContent"
    """Content that an earlier check marked as lost, and that nobody has pushed since."""
    DANGLING = "DanglingLink"
    """A repository sees a blob that has no content."""
    MANIFEST = "DamagedManifest"
    """A manifest does not have its digest."""
    UNLINKED = "UnlinkedBlob"
    """An image consists of a blob that its repository does not see."""
    CHILD = "MissingImage"
    """A manifest list names an image that its repository does not have."""
    LEFTOVERS = "Leftovers"
    """Stored bytes that nothing refers to: a crash left them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what it is about, and whether it was put right."""

    kind: Kind
    subject: str
    repaired: bool


@dataclass(slots=True)
class Page:
    """What a part of a check found; `after` is where the next part begins, None at the end."""

    findings: list[Finding] = field(default_factory=list[Finding])
    contents: int = 0
    bytes: int = 0
    images: int = 0
    after: list[str] | None = None


async def totals(tx: Transaction) -> tuple[int, int, int]:
    """How much there is to check: contents, their bytes, images."""
    count, size = (
        await tx.execute(select(func.count(), func.coalesce(func.sum(contents.c.size), 0)).select_from(contents))
    ).one()
    found = (await tx.execute(select(func.count()).select_from(images))).scalar()
    return int(count), int(size), int(found or 0)


async def check(storage: RegistryStorage, after: Sequence[str], *, repair: bool) -> Page:
    """Check a part, beginning `after` (what an earlier page said; nothing at the start). Raises ValueError for what no page said."""
    match list(after):
        case []:
            return await _contents(storage, "", repair)
        case ["contents", digest]:
            return await _contents(storage, digest, repair)
        case ["links"]:
            return await _links(storage, repair)
        case ["images", account, region, repository, digest]:
            return await _images(storage, (account, region, repository, digest), repair)
        case ["leftovers"]:
            return await _leftovers(storage, repair)
        case _:
            raise ValueError("not where a page ended")


async def _contents(storage: RegistryStorage, after: str, repair: bool) -> Page:
    page = Page(after=["links"])
    stmt = select(contents).where(contents.c.digest > after).order_by(contents.c.digest).limit(_ROWS)
    async with storage.store.snapshot() as tx:
        rows = (await tx.execute(stmt)).all()
    for row in rows:
        page.contents += 1
        page.bytes += row.size
        kind = await _state(storage, row)
        if kind is not None:
            page.findings.append(await _settle(storage, row, kind, repair))
        if page.bytes >= _BYTES or (page.contents == len(rows) == _ROWS):
            page.after = ["contents", row.digest]
            break
    return page


async def _state(storage: RegistryStorage, row: Row[Any]) -> Kind | None:
    lost = row.lost_at is not None
    actual = hashlib.new(Digest.parse(row.digest).algorithm)
    size = 0
    try:
        async for chunk in storage.blobs.open_range(row.location):
            size += len(chunk)
            actual.update(chunk)
    except BlobUnknown:
        return Kind.STILL_LOST if lost else Kind.MISSING
    if size != row.size or actual.hexdigest() != row.digest.partition(":")[2]:
        return Kind.STILL_LOST if lost else Kind.DAMAGED
    return Kind.RETURNED if lost else None


async def _settle(storage: RegistryStorage, row: Row[Any], kind: Kind, repair: bool) -> Finding:
    """Mark content as lost, or as returned, unless it was collected or pushed anew meanwhile."""
    if not repair or kind is Kind.STILL_LOST:
        return Finding(kind, row.digest, repaired=False)
    lost = kind is not Kind.RETURNED

    async def mark(tx: Transaction) -> bool:
        this = and_(contents.c.digest == row.digest, contents.c.location == row.location)
        marked = await tx.execute(update(contents).where(this).values(lost_at=tx.clock.now() if lost else None))
        if marked.rowcount:
            links = update(blob_links).where(blob_links.c.digest == row.digest)
            await tx.execute(links.values(location=LOST if lost else row.location))
        return bool(marked.rowcount)

    await storage.store.run(mark)
    return Finding(kind, row.digest, repaired=True)


async def _links(storage: RegistryStorage, repair: bool) -> Page:
    has_content = select(contents.c.digest).where(contents.c.digest == blob_links.c.digest).exists()
    stmt = select(blob_links).where(~has_content).limit(_ROWS)
    page = Page(after=["images", "", "", "", ""])
    async with storage.store.snapshot() as tx:
        rows = (await tx.execute(stmt)).all()
    for row in rows:
        key = RepositoryKey(row.account, row.region, row.repository)
        page.findings.append(Finding(Kind.DANGLING, f"{key.arn} {row.digest}", repair))
        if repair:
            mine = and_(within(blob_links, key), blob_links.c.digest == row.digest, ~has_content)
            async with storage.store.transaction() as tx:
                await tx.execute(delete(blob_links).where(mine))
    if repair and len(rows) == _ROWS:
        page.after = ["links"]
    return page


async def _images(storage: RegistryStorage, after: tuple[str, str, str, str], repair: bool) -> Page:
    columns = (images.c.account, images.c.region, images.c.repository, images.c.digest)
    stmt = select(*columns, images.c.manifest).where(tuple_(*columns) > tuple_(*after)).order_by(*columns).limit(_ROWS)
    page = Page(after=["leftovers"])
    async with storage.store.snapshot() as tx:
        rows = (await tx.execute(stmt)).all()
        for row in rows:
            page.images += 1
            key = RepositoryKey(row.account, row.region, row.repository)
            subject = f"{key.arn} {row.digest}"
            if digest_of(row.manifest, row.digest) != row.digest:
                page.findings.append(Finding(Kind.MANIFEST, subject, repaired=False))
            page.findings += [
                Finding(Kind.CHILD, f"{subject} {child}", repaired=False)
                for child in await _absent(tx, key, row.digest)
            ]
            page.findings += [
                Finding(Kind.UNLINKED, f"{subject} {blob}", repaired=False)
                for blob in await _unseen(tx, key, row.digest)
            ]
    if repair:
        page.findings = [await _linked(storage, finding) for finding in page.findings]
    if len(rows) == _ROWS:
        page.after = ["images", *(str(value) for value in rows[-1][:4])]
    return page


async def _absent(tx: Transaction, key: RepositoryKey, digest: str) -> Sequence[str]:
    there = select(images.c.digest).where(within(images, key), images.c.digest == references.c.target).exists()
    mine = (within(references, key), references.c.digest == digest, references.c.kind == "image", ~there)
    return (await tx.execute(select(references.c.target).where(*mine))).scalars()


async def _unseen(tx: Transaction, key: RepositoryKey, digest: str) -> Sequence[str]:
    seen = select(blob_links.c.digest).where(within(blob_links, key), blob_links.c.digest == references.c.target)
    mine = (within(references, key), references.c.digest == digest, references.c.kind == "blob", ~seen.exists())
    return (await tx.execute(select(references.c.target).where(*mine))).scalars()


async def _linked(storage: RegistryStorage, finding: Finding) -> Finding:
    """Let the repository of an image see a blob of it, where some content has its digest."""
    if finding.kind is not Kind.UNLINKED:
        return finding
    arn, _, digest = finding.subject.split(" ")
    _, _, _, region, account, resource = arn.split(":", 5)
    key = RepositoryKey(account, region, resource.removeprefix("repository/"))

    async def link(tx: Transaction) -> bool:
        content = (await tx.execute(select(contents).where(contents.c.digest == digest))).first()
        if content is None:
            return False
        location = content.location if content.lost_at is None else LOST
        mine = and_(within(blob_links, key), blob_links.c.digest == digest)
        if (await tx.execute(select(blob_links.c.digest).where(mine))).first() is None:
            row = {"size": content.size, "location": location, "released_at": None}
            await tx.execute(insert(blob_links).values(**place(key, digest=digest), **row))
        return True

    return Finding(finding.kind, finding.subject, await storage.store.run(link))


async def _leftovers(storage: RegistryStorage, repair: bool) -> Page:
    found = await (collect_leftovers if repair else count_leftovers)(storage, storage.store.run)
    return Page([Finding(Kind.LEFTOVERS, str(found), repair)] if found else [])
