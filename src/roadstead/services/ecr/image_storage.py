"""The archive: UpdateImageStorageClass. What is archived can't be pulled until it has come back.

Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/archive-image.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadstead.services.ecr.content import archive_image, digest_of_tag, image_status, lists_with, restore_image
from roadstead.services.ecr.errors import (
    ImageNotFoundException,
    ImageStorageClassUpdateNotSupportedException,
    InvalidParameterException,
)
from roadstead.services.ecr.image_ids import Failure, ImageId, read_image_id
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.repository_events import emit_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import UpdateImageStorageClassRequestTypeDef


@operation("ecr:UpdateImageStorageClass", resources=repository_resource)
async def update_image_storage_class(ctx: Context, request: UpdateImageStorageClassRequestTypeDef) -> Response:
    """Put an image into the archive, or ask for it back (API reference: UpdateImageStorageClass)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    image_id = read_image_id(request["imageId"])
    if isinstance(image_id, Failure):
        raise InvalidParameterException.at("imageId", image_id.reason)
    digest = await _require_image(ctx.tx, key, image_id)
    status = await image_status(ctx.tx, key, digest)
    match request["targetStorageClass"], status:
        case "ARCHIVE", "ACTIVE":
            await _check_unlisted(ctx.tx, key, digest)
            await archive_image(ctx.tx, key, digest)
        case "STANDARD", "ARCHIVED":
            await restore_image(ctx.tx, key, digest)
            emit_repository(ctx.tx, key, "restoring")
        case "ARCHIVE", "ACTIVATING":
            raise ImageStorageClassUpdateNotSupportedException.of(key, digest, "it is being restored")
        case _:
            pass
    return {
        "registryId": key.account,
        "repositoryName": key.name,
        "imageId": ImageId(digest, image_id.tag).describe(),
        "imageStatus": await image_status(ctx.tx, key, digest),
    }


async def _require_image(tx: Transaction, key: RepositoryKey, image_id: ImageId) -> str:
    digest = image_id.digest if image_id.tag is None else await digest_of_tag(tx, key, image_id.tag)
    known = digest is not None and await image_status(tx, key, digest) is not None
    if not known or image_id.digest not in (None, digest):
        raise ImageNotFoundException.of(key, digest=image_id.digest, tag=image_id.tag)
    return str(digest)


async def _check_unlisted(tx: Transaction, key: RepositoryKey, digest: str) -> None:
    lists = await lists_with(tx, key, digest)
    for manifest_list in lists:
        if await image_status(tx, key, manifest_list) == "ACTIVE":
            reason = f"it is referenced by manifest list: [{', '.join(lists)}]"
            raise ImageStorageClassUpdateNotSupportedException.of(key, digest, reason)
