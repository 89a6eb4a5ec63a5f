"""ListImageReferrers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.ecr.keys import is_digest
from roadstead.services.ecr.paging import ecr_page
from roadstead.services.ecr.referrers import fitting
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.tables import images, within
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import ImageReferrerTypeDef, ListImageReferrersRequestTypeDef

_PAGE = 20
"""How many referrers a page has where the request says nothing, as on AWS."""


@operation("ecr:ListImageReferrers", action="ecr:BatchGetImage", resources=repository_resource, reads=True)
async def list_image_referrers(ctx: Context, request: ListImageReferrersRequestTypeDef) -> Response:
    """What refers to an image, by digest, whether or not the image is there (API reference: ListImageReferrers).

    It takes the permission that listing referrers by the OCI API takes: AWS's data on actions has none of this name.
    """
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    subject = request["subjectId"]["imageDigest"]
    if not is_digest(subject):
        raise InvalidParameterException.at("subjectId.imageDigest", "must be a sha256 or sha512 digest")
    columns = (
        images.c.digest,
        images.c.media_type,
        images.c.artifact_type,
        images.c.manifest_size,
        images.c.annotations,
        images.c.status,
    )
    where = [within(images, key), images.c.subject == subject]
    chosen = request.get("filter", {})
    types = chosen.get("artifactTypes")
    if types:
        where.append(images.c.artifact_type.in_(types))
    status = chosen.get("artifactStatus", "ACTIVE")
    if status != "ANY":
        where.append(images.c.status == status)
    given, name, order = {"maxResults": _PAGE, **request}, "ListImageReferrers", [images.c.digest]
    sizes = await ecr_page(ctx, given, name, select(images.c.digest, images.c.manifest_size).where(*where), order)
    given["maxResults"] = fitting([row.manifest_size for row in sizes.rows])
    page = await ecr_page(ctx, given, name, select(*columns).where(*where), order)
    referrers: list[ImageReferrerTypeDef] = []
    for row in page.rows:
        referrer: ImageReferrerTypeDef = {
            "digest": row.digest,
            "mediaType": row.media_type,
            "size": row.manifest_size,
            "artifactStatus": row.status,
        }
        if row.artifact_type is not None:
            referrer["artifactType"] = row.artifact_type
        if row.annotations:
            referrer["annotations"] = row.annotations
        referrers.append(referrer)
    response: Response = {"referrers": referrers}
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response
