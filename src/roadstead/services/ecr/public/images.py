"""Images of public repositories: what private ECR does too, and DescribeImageTags (API reference: ECR Public)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from roadstead.services.ecr import image_changes, layers, repository_policies, resource_tags
from roadstead.services.ecr import images as private
from roadstead.services.ecr.paging import ecr_page
from roadstead.services.ecr.public.requests import Request, public_operation
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.requests import (
    Response,
    repository_key,
    repository_resource,
    request_tags,
    tagged_resource,
)
from roadstead.services.ecr.tables import images, tags, within
from roadstead.services.operation import Context

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import DescribeImagesRequestTypeDef

_DETAIL = (
    "registryId",
    "repositoryName",
    "imageDigest",
    "imageTags",
    "imageSizeInBytes",
    "imagePushedAt",
    "imageManifestMediaType",
    "artifactMediaType",
)

for _name, _handler, _reads in (
    ("BatchCheckLayerAvailability", layers.batch_check_layer_availability, True),
    ("InitiateLayerUpload", layers.initiate_layer_upload, True),
    ("UploadLayerPart", layers.upload_layer_part, True),
    ("CompleteLayerUpload", layers.complete_layer_upload, True),
    ("PutImage", image_changes.put_image, False),
    ("BatchDeleteImage", image_changes.batch_delete_image, False),
    ("GetRepositoryPolicy", repository_policies.get_repository_policy, True),
    ("SetRepositoryPolicy", repository_policies.set_repository_policy, False),
    ("DeleteRepositoryPolicy", repository_policies.delete_repository_policy, False),
):
    public_operation(_name, resources=repository_resource, reads=_reads)(_handler)

public_operation("ListTagsForResource", resources=tagged_resource, reads=True)(resource_tags.list_tags_for_resource)
public_operation("TagResource", resources=tagged_resource, keys=request_tags)(resource_tags.tag_resource)
public_operation("UntagResource", resources=tagged_resource, keys=request_tags)(resource_tags.untag_resource)


@public_operation("DescribeImages", resources=repository_resource, reads=True)
async def describe_images(ctx: Context, request: DescribeImagesRequestTypeDef) -> Response:
    """Details of named images, or page through all by digest (API reference: DescribeImages)."""
    response = await private.describe_images(ctx, request)
    found = msgspec.convert(response["imageDetails"], list[dict[str, object]])
    kept = [{name: detail[name] for name in _DETAIL if name in detail} for detail in found]
    return {**response, "imageDetails": kept}


@public_operation("DescribeImageTags", resources=repository_resource, reads=True)
async def describe_image_tags(ctx: Context, request: Request) -> Response:
    """Page through the tags of a repository, each with its image (API reference: DescribeImageTags)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    stmt = (
        select(
            tags.c.tag,
            tags.c.tagged_at,
            images.c.digest,
            images.c.size,
            images.c.pushed_at,
            images.c.media_type,
            images.c.artifact_type,
        )
        .select_from(tags.join(images, private.tag_of_image()))
        .where(within(tags, key))
    )
    page = await ecr_page(ctx, request, "DescribeImageTags", stmt, [tags.c.tag])
    details = [
        {
            "imageTag": row.tag,
            "createdAt": row.tagged_at,
            "imageDetail": {
                "imageDigest": row.digest,
                "imageSizeInBytes": row.size,
                "imagePushedAt": row.pushed_at,
                "imageManifestMediaType": row.media_type,
                "artifactMediaType": row.artifact_type,
            },
        }
        for row in page.rows
    ]
    response: Response = {"imageTagDetails": details}
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response
