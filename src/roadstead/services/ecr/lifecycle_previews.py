"""Previews of lifecycle policies: StartLifecyclePolicyPreview, GetLifecyclePolicyPreview. A controller fills them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, true, update

from roadstead.core.imagepolicy.evaluate import Marked
from roadstead.core.imagepolicy.rules import Action, StorageClass
from roadstead.services.ecr.errors import (
    LifecyclePolicyPreviewInProgressException,
    LifecyclePolicyPreviewNotFoundException,
)
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.lifecycle_policies import checked_rules, require_lifecycle_policy
from roadstead.services.ecr.paging import ecr_page, refuse_page_of_named
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.repository_events import emit_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.tables import (
    lifecycle_preview_images,
    lifecycle_previews,
    place,
    tags,
    within,
)
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        GetLifecyclePolicyPreviewRequestTypeDef,
        ImageIdentifierTypeDef,
        StartLifecyclePolicyPreviewRequestTypeDef,
    )

LIFETIME = timedelta(hours=24)
"""How long the results of a preview can be read."""
_IN_PROGRESS, _COMPLETE, _EXPIRED, _FAILED = "IN_PROGRESS", "COMPLETE", "EXPIRED", "FAILED"


@operation("ecr:StartLifecyclePolicyPreview", resources=repository_resource)
async def start_lifecycle_policy_preview(ctx: Context, request: StartLifecyclePolicyPreviewRequestTypeDef) -> Response:
    """Begin to find out what a policy, or the repository's own, would do (API reference: StartLifecyclePolicyPreview)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    text = request.get("lifecyclePolicyText")
    if text is None:
        text = (await require_lifecycle_policy(ctx.tx, key)).text
    checked_rules(ctx, text)
    last = await _preview(ctx.tx, key)
    if last is not None and last.status == _IN_PROGRESS:
        raise LifecyclePolicyPreviewInProgressException.of(key)
    await forget_preview(ctx.tx, key)
    row = {"policy": text, "status": _IN_PROGRESS, "started_at": ctx.clock.now(), "expiring": 0, "transitioning": 0}
    await ctx.tx.execute(insert(lifecycle_previews).values(**place(key), **row))
    emit_repository(ctx.tx, key, "lifecycle-preview")
    return {
        "registryId": key.account,
        "repositoryName": key.name,
        "lifecyclePolicyText": text,
        "status": _IN_PROGRESS,
    }


@operation("ecr:GetLifecyclePolicyPreview", resources=repository_resource, reads=True)
async def get_lifecycle_policy_preview(ctx: Context, request: GetLifecyclePolicyPreviewRequestTypeDef) -> Response:
    """What the last preview found, so far as it has come (API reference: GetLifecyclePolicyPreview)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    refuse_page_of_named(request, "imageIds")
    preview = await _preview(ctx.tx, key)
    if preview is None:
        raise LifecyclePolicyPreviewNotFoundException.of(key)
    expired = preview.status == _COMPLETE and ctx.clock.now() - preview.started_at > LIFETIME
    status = _EXPIRED if expired else preview.status
    response: Response = {
        "registryId": key.account,
        "repositoryName": key.name,
        "lifecyclePolicyText": preview.policy,
        "status": status,
    }
    if status != _COMPLETE:
        return response
    response["summary"] = _summary(preview)
    table = lifecycle_preview_images
    stmt = select(table).where(within(table, key), _is_tagged(request.get("filter")))
    ids = request.get("imageIds")
    if ids is not None:
        rows = (await ctx.tx.execute(stmt.where(_is_one_of(key, ids)).order_by(table.c.digest))).all()
        response["previewResults"] = [_result(row) for row in rows]
        return response
    page = await ecr_page(ctx, request, "GetLifecyclePolicyPreview", stmt, [table.c.digest])
    response["previewResults"] = [_result(row) for row in page.rows]
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


async def waiting_previews(tx: Transaction) -> list[tuple[RepositoryKey, str]]:
    """The repositories whose preview was begun, with the policies. For a controller."""
    table = lifecycle_previews
    columns = (table.c.account, table.c.region, table.c.repository, table.c.policy)
    stmt = select(*columns).where(table.c.status == _IN_PROGRESS).order_by(table.c.started_at).limit(100)
    return [(RepositoryKey(row[0], row[1], row[2]), str(row[3])) for row in (await tx.execute(stmt)).all()]


async def finish_preview(tx: Transaction, key: RepositoryKey, text: str, marked: Sequence[Marked]) -> None:
    """Write what a preview found, unless another one has begun. For a controller."""
    table = lifecycle_previews
    mine = (within(table, key), table.c.status == _IN_PROGRESS, table.c.policy == text)
    counts = {action: sum(each.action is action for each in marked) for action in Action}
    values = {"expiring": counts[Action.EXPIRE], "transitioning": counts[Action.TRANSITION]}
    if not (await tx.execute(update(table).where(*mine).values(status=_COMPLETE, **values))).rowcount:
        return
    rows = [
        {
            **place(key, digest=each.image.digest),
            "tags": list(each.image.tags),
            "pushed_at": each.image.pushed_at,
            "action": each.action.value,
            "priority": each.priority,
            "storage": (each.image.storage or StorageClass.STANDARD).value,
        }
        for each in marked
    ]
    if rows:
        await tx.execute(insert(lifecycle_preview_images), rows)


async def fail_preview(tx: Transaction, key: RepositoryKey, text: str) -> None:
    """Note that a preview's policy can't be evaluated, unless another preview has begun. For a controller."""
    table = lifecycle_previews
    mine = (within(table, key), table.c.status == _IN_PROGRESS, table.c.policy == text)
    await tx.execute(update(table).where(*mine).values(status=_FAILED))


async def forget_preview(tx: Transaction, key: RepositoryKey) -> None:
    """Take the preview of a repository away."""
    for table in (lifecycle_preview_images, lifecycle_previews):
        await tx.execute(delete(table).where(within(table, key)))


async def expire_previews(tx: Transaction, now: datetime) -> int:
    """Take away the results of old previews; returns how many. For a controller."""
    table = lifecycle_previews
    old = (table.c.status == _COMPLETE) & (table.c.started_at < now - LIFETIME)
    columns = (table.c.account, table.c.region, table.c.repository)
    rows = (await tx.execute(select(*columns).where(old).limit(10))).all()
    for row in rows:
        key = RepositoryKey(row[0], row[1], row[2])
        await tx.execute(delete(lifecycle_preview_images).where(within(lifecycle_preview_images, key)))
        await tx.execute(update(table).where(within(table, key)).values(status=_EXPIRED))
    return len(rows)


async def _preview(tx: Transaction, key: RepositoryKey) -> Row[*tuple[object, ...]] | None:
    return (await tx.execute(select(lifecycle_previews).where(within(lifecycle_previews, key)))).one_or_none()


def _is_tagged(given: Mapping[str, object] | None) -> ColumnElement[bool]:
    match (given or {}).get("tagStatus", "ANY"):
        case "TAGGED":
            return lifecycle_preview_images.c.tags != []
        case "UNTAGGED":
            return lifecycle_preview_images.c.tags == []
        case _:
            return true()


def _is_one_of(key: RepositoryKey, ids: Sequence[ImageIdentifierTypeDef]) -> ColumnElement[bool]:
    digests = [image_id["imageDigest"] for image_id in ids if "imageDigest" in image_id]
    names = [image_id["imageTag"] for image_id in ids if "imageTag" in image_id and "imageDigest" not in image_id]
    named = select(tags.c.digest).where(within(tags, key), tags.c.tag.in_(names))
    column = lifecycle_preview_images.c.digest
    return or_(column.in_(digests), column.in_(named))


def _summary(preview: Row[*tuple[object, ...]]) -> Mapping[str, object]:
    transitioning = {"targetStorageClass": "ARCHIVE", "imageTotalCount": preview.transitioning}
    return {
        "expiringImageTotalCount": preview.expiring,
        "transitioningImageTotalCounts": [transitioning] if preview.transitioning else [],
    }


def _result(row: Row[*tuple[object, ...]]) -> Mapping[str, object]:
    action = {"type": row.action.upper()}
    if row.action == Action.TRANSITION:
        action["targetStorageClass"] = "ARCHIVE"
    return {
        "imageTags": row.tags,
        "imageDigest": row.digest,
        "imagePushedAt": row.pushed_at,
        "action": action,
        "appliedRulePriority": row.priority,
        "storageClass": row.storage.upper(),
    }
