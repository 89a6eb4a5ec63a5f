"""What an image consists of, in a transaction: images, tags and references. The API and the registry both stand on these functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    String,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from roadstead.services.ecr.blobs import LOST, claim_blobs, release_blobs
from roadstead.services.ecr.errors import (
    ImageTagAlreadyExistsException,
    LayersNotFoundException,
    ReferencedImagesNotFoundException,
)
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.manifests import Manifest
from roadstead.services.ecr.quotas import RegistryLimits, check_room
from roadstead.services.ecr.repositories import Repository
from roadstead.services.ecr.tables import blob_links, images, place, references, tags, within, within_place
from roadstead.store import Event, Lookup, Transaction

_AT_ONCE = 500
"""How many digests one statement asks for."""


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it was pushed."""

    digest: str
    media_type: str
    content: bytes
    checked_at: datetime | None = None
    """When the upstream of a pull through cache was last asked for it by this tag; None for what was pushed here."""


_MANIFEST = select(images.c.digest, images.c.media_type, images.c.manifest).where(
    images.c.status == bindparam("status")
)
_BY_DIGEST = Lookup(_MANIFEST.where(within_place(images), images.c.digest == bindparam("reference")))
_BY_TAG = Lookup(
    _MANIFEST.add_columns(tags.c.checked_at)
    .select_from(
        tags.join(
            images,
            and_(
                images.c.account == tags.c.account,
                images.c.region == tags.c.region,
                images.c.repository == tags.c.repository,
                images.c.digest == tags.c.digest,
            ),
        )
    )
    .where(within_place(tags), tags.c.tag == bindparam("reference"))
)

_TAGGED = Lookup(select(tags.c.digest).where(within_place(tags), tags.c.tag == bindparam("tag")))
_LISTS = Lookup(
    select(references.c.digest).where(
        within_place(references),
        references.c.target == bindparam("digest"),
        references.c.kind == literal_column("'image'", String),
    )
)
_STATUS = Lookup(select(images.c.status).where(within_place(images), images.c.digest == bindparam("digest")))


async def manifest_by_digest(tx: Transaction, key: RepositoryKey, digest: str) -> StoredManifest | None:
    """The manifest of this digest, unless it is archived, in one read."""
    rows = await tx.look_up(_BY_DIGEST, **place(key, reference=digest, status="ACTIVE"))
    return StoredManifest(*rows[0]) if rows else None


async def manifest_by_tag(tx: Transaction, key: RepositoryKey, tag: str) -> StoredManifest | None:
    """The manifest that this tag names, unless it is archived, in one read."""
    rows = await tx.look_up(_BY_TAG, **place(key, reference=tag, status="ACTIVE"))
    return StoredManifest(*rows[0]) if rows else None


async def digest_of_tag(tx: Transaction, key: RepositoryKey, tag: str) -> str | None:
    """Which image a tag names."""
    rows = await tx.look_up(_TAGGED, **place(key, tag=tag))
    return rows[0][0] if rows else None


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
    limits: RegistryLimits | None = None,
    *,
    from_upstream: bool = False,
) -> bool:
    """Store a manifest whose digest was checked, and let `put_tags` name it.

    Returns whether the image is new, or back from the archive: False says that it was here, and may be pulled as before.

    What comes `from_upstream` may be a list of images that are not here yet.
    Raises LayersNotFoundException, ReferencedImagesNotFoundException, ImageTagAlreadyExistsException, LimitExceededException.
    """
    key = repository.key
    status, named = await require_place(tx, repository, digest, put_tags, limits)
    now = tx.clock.now()
    if status is None:
        await _insert_image(tx, key, manifest, content, digest, now, partial=from_upstream)
    elif status != "ACTIVE":
        await activate_image(tx, key, digest)
    for tag, current in named.items():
        await _put_tag(tx, key, tag, digest, now, checked_at=now if from_upstream else None)
        if current != digest and limits is not None:
            await _check_tags(tx, key, digest, limits)
    change = {"change": "pushed", "repository": key.name, "digest": digest, "tags": list(put_tags)}
    emit_image(tx, key, digest, {**change, "mediaType": manifest.media_type})
    return status != "ACTIVE"


async def require_place(
    tx: Transaction, repository: Repository, digest: str, put_tags: Sequence[str], limits: RegistryLimits | None = None
) -> tuple[str | None, dict[str, str | None]]:
    """Return when an image may be put here under these tags: before anything is moved for it.

    With its status as `image_status` has it, and what each tag names now. Raises ImageTagAlreadyExistsException, LimitExceededException.
    """
    key = repository.key
    named = {tag: await digest_of_tag(tx, key, tag) for tag in put_tags}
    for tag, current in named.items():
        if current not in (None, digest) and not repository.mutability.may_move(tag):
            raise ImageTagAlreadyExistsException.of(key, tag)
    status = await image_status(tx, key, digest)
    if status is None:
        await _check_images(tx, key, limits)
    return status, named


async def image_status(tx: Transaction, key: RepositoryKey, digest: str) -> str | None:
    """ACTIVE, ARCHIVED or ACTIVATING; None where there is no such image."""
    rows = await tx.look_up(_STATUS, **place(key, digest=digest))
    return rows[0][0] if rows else None


async def is_archived(tx: Transaction, key: RepositoryKey, reference: str) -> bool:
    """Whether an image that can't be pulled is here: archived, or on its way back."""
    digest = reference if ":" in reference else await digest_of_tag(tx, key, reference)
    return digest is not None and await image_status(tx, key, digest) not in (None, "ACTIVE")


async def archive_image(tx: Transaction, key: RepositoryKey, digest: str, **more: object) -> None:
    """Put an image into the archive, from where nobody can pull it; `more` goes into the event."""
    await _move(tx, key, digest, "ARCHIVED", archived_at=tx.clock.now())
    emit_image(tx, key, digest, {"change": "archived", "repository": key.name, "digest": digest, **more})


async def restore_image(tx: Transaction, key: RepositoryKey, digest: str) -> None:
    """Ask for an image to come back from the archive; `activate_image` ends that."""
    await _move(tx, key, digest, "ACTIVATING")
    emit_image(tx, key, digest, {"change": "activating", "repository": key.name, "digest": digest})


async def activate_image(tx: Transaction, key: RepositoryKey, digest: str) -> None:
    """Let an archived image be pulled again."""
    await _move(tx, key, digest, "ACTIVE", activated_at=tx.clock.now())
    emit_image(tx, key, digest, {"change": "activated", "repository": key.name, "digest": digest})


async def delete_image(tx: Transaction, key: RepositoryKey, digest: str, **more: object) -> bool:
    """Remove an image and its tags; False when there is none. Its layers stay until garbage collection. `more` goes into the event."""
    found = await tx.execute(delete(images).where(within(images, key), images.c.digest == digest))
    if not found.rowcount:
        return False
    await tx.execute(delete(tags).where(within(tags, key), tags.c.digest == digest))
    mine = (within(references, key), references.c.digest == digest)
    named = (await tx.execute(select(references.c.target).where(*mine, references.c.kind == "blob"))).scalars()
    await tx.execute(delete(references).where(*mine))
    await release_blobs(tx, key, named)
    emit_image(tx, key, digest, {"change": "deleted", "repository": key.name, "digest": digest, **more})
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
    """The manifest lists that name this image, in order; of very many, some.

    Sorted here: asked for the order, SQLite goes through the whole repository's references in theirs.
    """
    named = (references.c.target == digest, references.c.kind == "image")
    stmt = select(references.c.digest).where(within(references, key), *named).limit(_AT_ONCE)
    return sorted((await tx.execute(stmt)).scalars())


def emit_image(tx: Transaction, key: RepositoryKey, digest: str, payload: Mapping[str, object]) -> None:
    """Record a change of an image: `pushed`, `deleted`, `untagged`, `archived`, `activating` or `activated`."""
    tx.emit(Event("ecr.image", key.account, key.region, f"{key.arn}@{digest}", payload))


async def _insert_image(
    tx: Transaction,
    key: RepositoryKey,
    manifest: Manifest,
    content: bytes,
    digest: str,
    now: datetime,
    *,
    partial: bool,
) -> None:
    missing = await _missing(tx, blob_links, key, manifest.blobs, blob_links.c.location != LOST)
    if missing:
        raise LayersNotFoundException.required(key, missing)
    missing = [] if partial else await _missing(tx, images, key, manifest.children)
    if missing:
        raise ReferencedImagesNotFoundException.required(key, missing)
    image = place(key, digest=digest)
    size = await (_largest(tx, key, manifest.children) if manifest.is_index else _total(tx, key, manifest))
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
            status="ACTIVE",
            manifest=content,
        )
    )
    targets = [{**image, "target": target, "kind": "blob"} for target in manifest.blobs]
    targets += [{**image, "target": target, "kind": "image"} for target in manifest.children]
    if targets:
        await tx.execute(insert(references), targets)
    await claim_blobs(tx, key, manifest.blobs)
    await _enlarge_lists(tx, key, digest, size)


async def _enlarge_lists(tx: Transaction, key: RepositoryKey, digest: str, size: int) -> None:
    """An image has come: a list is as large as its largest image, also where that comes after it, and a list of lists likewise."""
    lists: list[str] = [row[0] for row in await tx.look_up(_LISTS, **place(key, digest=digest))]
    while lists:
        following: list[str] = []
        for part in _parts(lists):
            smaller = (within(images, key), images.c.digest.in_(part), images.c.size < size)
            found = list((await tx.execute(select(images.c.digest).where(*smaller))).scalars())
            await tx.execute(update(images).where(*smaller).values(size=size))
            named = (references.c.target.in_(found), references.c.kind == "image")
            following += (
                await tx.execute(select(references.c.digest).where(within(references, key), *named))
            ).scalars()
        lists = list(dict.fromkeys(following))


async def _move(tx: Transaction, key: RepositoryKey, digest: str, status: str, **times: datetime) -> None:
    image = (within(images, key), images.c.digest == digest)
    await tx.execute(update(images).where(*image).values(status=status, **times))


async def mark_checked(tx: Transaction, key: RepositoryKey, tag: str) -> None:
    """Note that the upstream was asked now what a tag names."""
    this = (within(tags, key), tags.c.tag == tag)
    await tx.execute(update(tags).where(*this).values(checked_at=tx.clock.now()))


async def _put_tag(
    tx: Transaction, key: RepositoryKey, tag: str, digest: str, now: datetime, *, checked_at: datetime | None
) -> None:
    """Let a tag name an image, whichever it named before."""
    times = {"tagged_at": now, "checked_at": checked_at}
    moved = await tx.execute(update(tags).where(within(tags, key), tags.c.tag == tag).values(digest=digest, **times))
    if not moved.rowcount:
        await tx.execute(insert(tags).values(**place(key, tag=tag, digest=digest), **times))


async def _check_images(tx: Transaction, key: RepositoryKey, limits: RegistryLimits | None) -> None:
    if limits is not None:
        present = select(func.count()).select_from(images).where(within(images, key))
        message = f"The repository with name '{key.name}' has all the images that it may have"
        name, _ = limits.of(key, "ImagesPerRepository")
        await limits.take(tx, name, key, present, message)


async def _check_tags(tx: Transaction, key: RepositoryKey, digest: str, limits: RegistryLimits) -> None:
    named = select(func.count()).select_from(tags).where(within(tags, key), tags.c.digest == digest)
    present = int((await tx.execute(named)).scalar() or 0)
    message = (
        f"The image with digest '{digest}' in the repository with name '{key.name}' has all the tags that it may have"
    )
    check_room(*limits.of(key, "TagsPerImage"), present - 1, message)


async def _missing(
    tx: Transaction, table: Table, key: RepositoryKey, digests: Sequence[str], *conditions: ColumnElement[bool]
) -> list[str]:
    missing: list[str] = []
    for part in _parts(digests):
        stmt = select(table.c.digest).where(within(table, key), table.c.digest.in_(part), *conditions)
        present = set((await tx.execute(stmt)).scalars())
        missing += [digest for digest in part if digest not in present]
    return missing


async def _total(tx: Transaction, key: RepositoryKey, manifest: Manifest) -> int:
    """imageSizeInBytes, "of the image in the repository": what its blobs have, each once, and what is said of layers that are elsewhere."""
    total = manifest.bytes_elsewhere
    for part in _parts(manifest.blobs):
        stmt = select(func.sum(blob_links.c.size)).where(within(blob_links, key), blob_links.c.digest.in_(part))
        total += int((await tx.execute(stmt)).scalar() or 0)
    return min(total, 2**63 - 1)


async def _largest(tx: Transaction, key: RepositoryKey, digests: Sequence[str]) -> int:
    largest = 0
    for part in _parts(digests):
        stmt = select(func.max(images.c.size)).where(within(images, key), images.c.digest.in_(part))
        largest = max(largest, int((await tx.execute(stmt)).scalar() or 0))
    return largest


def _parts(digests: Sequence[str]) -> list[Sequence[str]]:
    return [digests[i : i + _AT_ONCE] for i in range(0, len(digests), _AT_ONCE)]
