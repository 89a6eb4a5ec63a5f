"""Looking at images: ListImages, DescribeImages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Row, and_, exists, func, not_, select, true

from roadstead.services.ecr.content import digest_of_tag, tags_of
from roadstead.services.ecr.errors import ImageNotFoundException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.paging import ecr_page, refuse_page_of_named
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.tables import images, tags, within
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        DescribeImagesRequestTypeDef,
        ImageDetailTypeDef,
        ImageIdentifierTypeDef,
        ListImagesRequestTypeDef,
    )

_DETAILS = (
    images.c.digest,
    images.c.media_type,
    images.c.artifact_type,
    images.c.subject,
    images.c.size,
    images.c.pushed_at,
    images.c.pulled_at,
    images.c.status,
    images.c.archived_at,
    images.c.activated_at,
)
_tag = func.coalesce(tags.c.tag, "").label("tag")


@operation("ecr:ListImages", resources=repository_resource, reads=True)
async def list_images(ctx: Context, request: ListImagesRequestTypeDef) -> Response:
    """Image ids by digest and tag, one for each tag (API reference: ListImages)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    joined = images.outerjoin(tags, tag_of_image())
    stmt = (
        select(images.c.digest, _tag).select_from(joined).where(within(images, key), _has_status(request.get("filter")))
    )
    match _tag_status(request.get("filter")):
        case "TAGGED":
            stmt = stmt.where(tags.c.tag.is_not(None))
        case "UNTAGGED":
            stmt = stmt.where(tags.c.tag.is_(None))
        case _:
            pass
    page = await ecr_page(ctx, request, "ListImages", stmt, [images.c.digest, _tag])
    ids: list[ImageIdentifierTypeDef] = [
        {"imageDigest": digest, "imageTag": tag} if tag else {"imageDigest": digest} for digest, tag in page.rows
    ]
    response: Response = {"imageIds": ids}
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


@operation("ecr:DescribeImages", resources=repository_resource, reads=True)
async def describe_images(ctx: Context, request: DescribeImagesRequestTypeDef) -> Response:
    """Details of named images, or page through all by digest (API reference: DescribeImages)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    refuse_page_of_named(request, "imageIds")
    chosen, ids = request.get("filter"), request.get("imageIds")
    if ids is not None:
        chosen = {"imageStatus": "ANY", **(chosen or {})}
    stmt = select(*_DETAILS).where(within(images, key), _has_status(chosen), _is_tagged(chosen))
    if ids is not None:
        digests = [await _digest_of(ctx, key, image_id) for image_id in ids]
        rows = (await ctx.tx.execute(stmt.where(images.c.digest.in_(digests)).order_by(images.c.digest))).all()
        return {"imageDetails": await _described(ctx, key, rows)}
    page = await ecr_page(ctx, request, "DescribeImages", stmt, [images.c.digest])
    response: Response = {"imageDetails": await _described(ctx, key, page.rows)}
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


async def _digest_of(ctx: Context, key: RepositoryKey, given: ImageIdentifierTypeDef) -> str:
    digest, tag = given.get("imageDigest"), given.get("imageTag")
    named = digest if tag is None else await digest_of_tag(ctx.tx, key, tag)
    if named is None or digest not in (None, named):
        raise ImageNotFoundException.of(key, digest=digest, tag=tag)
    present = select(images.c.digest).where(within(images, key), images.c.digest == named)
    if (await ctx.tx.execute(present)).first() is None:
        raise ImageNotFoundException.of(key, digest=digest, tag=tag)
    return named


async def _described(
    ctx: Context, key: RepositoryKey, rows: Sequence[Row[*tuple[object, ...]]]
) -> list[ImageDetailTypeDef]:
    named = await tags_of(ctx.tx, key, [str(row.digest) for row in rows])
    return [_detail(key, row, named.get(str(row.digest), [])) for row in rows]


def _detail(key: RepositoryKey, row: Row[*tuple[object, ...]], image_tags: list[str]) -> ImageDetailTypeDef:
    detail: ImageDetailTypeDef = {
        "registryId": key.account,
        "repositoryName": key.name,
        "imageDigest": row.digest,
        "imageSizeInBytes": row.size,
        "imagePushedAt": row.pushed_at,
        "imageManifestMediaType": row.media_type,
        "imageStatus": row.status,
    }
    if image_tags:
        detail["imageTags"] = image_tags
    if row.artifact_type is not None:
        detail["artifactMediaType"] = row.artifact_type
    if row.subject is not None:
        detail["subjectManifestDigest"] = row.subject
    if row.pulled_at is not None:
        detail["lastRecordedPullTime"] = row.pulled_at
    if row.archived_at is not None:
        detail["lastArchivedAt"] = row.archived_at
    if row.activated_at is not None:
        detail["lastActivatedAt"] = row.activated_at
    return detail


def _tag_status(given: Mapping[str, object] | None) -> object:
    return (given or {}).get("tagStatus", "ANY")


def _is_tagged(given: Mapping[str, object] | None) -> ColumnElement[bool]:
    tagged = exists().where(tag_of_image())
    match _tag_status(given):
        case "TAGGED":
            return tagged
        case "UNTAGGED":
            return not_(tagged)
        case _:
            return true()


def _has_status(given: Mapping[str, object] | None) -> ColumnElement[bool]:
    """Without a filter, what is archived is not listed."""
    status = (given or {}).get("imageStatus", "ACTIVE")
    return true() if status == "ANY" else images.c.status == status


def tag_of_image() -> ColumnElement[bool]:
    """The join of tags with the images that they name."""
    return and_(
        tags.c.account == images.c.account,
        tags.c.region == images.c.region,
        tags.c.repository == images.c.repository,
        tags.c.digest == images.c.digest,
    )
