"""What an image consists of, in a transaction: images, tags and references. The API and the registry both stand on these functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, and_, bindparam, delete, func, insert, select, update

from roadstead.services.ecr.errors import (
    ImageTagAlreadyExistsException,
    LayersNotFoundException,
    ReferencedImagesNotFoundException,
)
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.manifests import Manifest
from roadstead.services.ecr.repositories import Repository
from roadstead.services.ecr.tables import blob_links, images, place, references, tags, within, within_place
from roadstead.store import Event, Transaction

_AT_ONCE = 500
"""How many digests one statement asks for."""


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it was pushed."""

    digest: str
    media_type: str
    content: bytes


_MANIFEST = select(images.c.digest, images.c.media_type, images.c.manifest)
_BY_DIGEST = _MANIFEST.where(within_place(images), images.c.digest == bindparam("reference"))
_BY_TAG = _MANIFEST.select_from(
    tags.join(
        images,
        and_(
            images.c.account == tags.c.account,
            images.c.region == tags.c.region,
            images.c.repository == tags.c.repository,
            images.c.digest == tags.c.digest,
        ),
    )
).where(within_place(tags), tags.c.tag == bindparam("reference"))


async def manifest_by_digest(tx: Transaction, key: RepositoryKey, digest: str) -> StoredManifest | None:
    """The manifest of this digest, in one read."""
    row = (await tx.execute(_BY_DIGEST, place(key, reference=digest))).first()
    return None if row is None else StoredManifest(row[0], row[1], row[2])


async def manifest_by_tag(tx: Transaction, key: RepositoryKey, tag: str) -> StoredManifest | None:
    """The manifest that this tag names, in one read."""
    row = (await tx.execute(_BY_TAG, place(key, reference=tag))).first()
    return None if row is None else StoredManifest(row[0], row[1], row[2])


async def digest_of_tag(tx: Transaction, key: RepositoryKey, tag: str) -> str | None:
    """Which image a tag names."""
    stmt = select(tags.c.digest).where(within(tags, key), tags.c.tag == tag)
    return (await tx.execute(stmt)).scalar()


async def tags_of(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> Mapping[str, list[str]]:
    """The tags of each of these images, in order; images without tags are left out."""
    found: dict[str, list[str]] = {}
    for part in _parts(digests):
        stmt = (
            select(tags.c.digest, tags.c.tag)
            .where(within(tags, key), tags.c.digest.in_(part))
            .order_by(tags.c.digest, tags.c.tag)
        )
        for digest, tag in await tx.execute(stmt):
            found.setdefault(digest, []).append(tag)
    return found


async def put_manifest(
    tx: Transaction,
    repository: Repository,
    manifest: Manifest,
    content: bytes,
    digest: str,
    put_tags: Sequence[str],
) -> bool:
    """Store a manifest whose digest was checked, and let `put_tags` name it; returns whether the image is new.

    Raises LayersNotFoundException, ReferencedImagesNotFoundException, ImageTagAlreadyExistsException.
    """
    key = repository.key
    for tag in put_tags:
        current = await digest_of_tag(tx, key, tag)
        if current not in (None, digest) and not repository.mutability.may_move(tag):
            raise ImageTagAlreadyExistsException.of(key, tag)
    now = tx.clock.now()
    known = (await tx.execute(select(images.c.digest).where(within(images, key), images.c.digest == digest))).first()
    if known is None:
        await _insert_image(tx, key, manifest, content, digest, now)
    for tag in dict.fromkeys(put_tags):
        await _put_tag(tx, key, tag, digest, now)
    change = {"change": "pushed", "repository": key.name, "digest": digest, "tags": list(put_tags)}
    emit_image(tx, key, digest, {**change, "mediaType": manifest.media_type})
    return known is None


async def delete_image(tx: Transaction, key: RepositoryKey, digest: str) -> bool:
    """Remove an image and its tags; False when there is none. Its layers stay until garbage collection."""
    found = await tx.execute(delete(images).where(within(images, key), images.c.digest == digest))
    if not found.rowcount:
        return False
    await tx.execute(delete(tags).where(within(tags, key), tags.c.digest == digest))
    await tx.execute(delete(references).where(within(references, key), references.c.digest == digest))
    emit_image(tx, key, digest, {"change": "deleted", "repository": key.name, "digest": digest})
    return True


async def delete_tag(tx: Transaction, key: RepositoryKey, tag: str) -> bool:
    """Let a tag go, and leave the image; False when there is no such tag."""
    digest = await digest_of_tag(tx, key, tag)
    if digest is None:
        return False
    await tx.execute(delete(tags).where(within(tags, key), tags.c.tag == tag))
    emit_image(tx, key, digest, {"change": "untagged", "repository": key.name, "digest": digest, "tags": [tag]})
    return True


async def lists_with(tx: Transaction, key: RepositoryKey, digest: str) -> Sequence[str]:
    """The manifest lists that name this image."""
    stmt = (
        select(references.c.digest)
        .where(within(references, key), references.c.target == digest, references.c.kind == "image")
        .order_by(references.c.digest)
        .limit(_AT_ONCE)
    )
    return (await tx.execute(stmt)).scalars()


def emit_image(tx: Transaction, key: RepositoryKey, digest: str, payload: Mapping[str, object]) -> None:
    """Record a change of an image: `pushed`, `deleted` or `untagged`."""
    tx.emit(Event("ecr.image", key.account, key.region, f"{key.arn}@{digest}", payload))


async def _insert_image(
    tx: Transaction, key: RepositoryKey, manifest: Manifest, content: bytes, digest: str, now: datetime
) -> None:
    missing = await _missing(tx, blob_links, key, manifest.blobs)
    if missing:
        raise LayersNotFoundException.required(key, missing)
    missing = await _missing(tx, images, key, manifest.children)
    if missing:
        raise ReferencedImagesNotFoundException.required(key, missing)
    image = place(key, digest=digest)
    size = await _largest(tx, key, manifest.children) if manifest.is_index else manifest.size
    await tx.execute(
        insert(images).values(
            **image,
            media_type=manifest.media_type,
            artifact_type=manifest.artifact_type,
            subject=manifest.subject,
            size=size,
            manifest_size=len(content),
            pushed_at=now,
            annotations=manifest.annotations,
            manifest=content,
        )
    )
    targets = [{**image, "target": target, "kind": "blob"} for target in manifest.blobs]
    targets += [{**image, "target": target, "kind": "image"} for target in manifest.children]
    if targets:
        await tx.execute(insert(references), targets)


async def _put_tag(tx: Transaction, key: RepositoryKey, tag: str, digest: str, now: datetime) -> None:
    moved = await tx.execute(
        update(tags).where(within(tags, key), tags.c.tag == tag).values(digest=digest, tagged_at=now)
    )
    if not moved.rowcount:
        await tx.execute(insert(tags).values(**place(key, tag=tag, digest=digest), tagged_at=now))


async def _missing(tx: Transaction, table: Table, key: RepositoryKey, digests: Sequence[str]) -> list[str]:
    missing: list[str] = []
    for part in _parts(digests):
        stmt = select(table.c.digest).where(within(table, key), table.c.digest.in_(part))
        present = set((await tx.execute(stmt)).scalars())
        missing += [digest for digest in part if digest not in present]
    return missing


async def _largest(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> int:
    largest = 0
    for part in _parts(digests):
        stmt = select(func.max(images.c.size)).where(within(images, key), images.c.digest.in_(part))
        largest = max(largest, int((await tx.execute(stmt)).scalar() or 0))
    return largest


def _parts(digests: Sequence[str]) -> list[Sequence[str]]:
    return [digests[i : i + _AT_ONCE] for i in range(0, len(digests), _AT_ONCE)]
