"""Changing images: PutImage, BatchDeleteImage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from roadstead.services.ecr.blobs import RegistryStorage
from roadstead.services.ecr.content import (
    delete_image,
    delete_tag,
    digest_of_tag,
    image_status,
    lists_with,
    put_manifest,
    tags_of,
)
from roadstead.services.ecr.errors import (
    ImageAlreadyExistsException,
    ImageDigestDoesNotMatchException,
    InvalidParameterException,
)
from roadstead.services.ecr.image_ids import Failure, ImageId, read_image_id
from roadstead.services.ecr.keys import TAG_PATTERN, RepositoryKey, digest_of, is_digest, is_tag
from roadstead.services.ecr.manifests import parse_manifest
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import BatchDeleteImageRequestTypeDef, PutImageRequestTypeDef


@operation("ecr:PutImage", resources=repository_resource)
async def put_image(ctx: Context, request: PutImageRequestTypeDef) -> Response:
    """Store a manifest and tag it; its layers must be there (API reference: PutImage). An archived image comes back (user guide: image-push)."""
    key = repository_key(ctx, request)
    repository = await require_repository(ctx.tx, key)
    content = request["imageManifest"].encode()
    tag = request.get("imageTag")
    if tag is not None and not is_tag(tag):
        raise InvalidParameterException.at("imageTag", f"must satisfy regular expression '{TAG_PATTERN}'")
    manifest = parse_manifest(content, request.get("imageManifestMediaType"))
    given = request.get("imageDigest")
    if given is not None and not is_digest(given):
        raise InvalidParameterException.at("imageDigest", "must be a sha256 or sha512 digest")
    digest = digest_of(content, given or "sha256:")
    if given not in (None, digest):
        raise ImageDigestDoesNotMatchException.of(given, digest)
    tagged = digest if tag is None else await digest_of_tag(ctx.tx, key, tag)
    limits = ctx.component(RegistryStorage).limits
    is_taken = await put_manifest(ctx.tx, repository, manifest, content, digest, [] if tag is None else [tag], limits)
    if not is_taken and tagged == digest:
        raise ImageAlreadyExistsException.of(key, digest=digest, tag=tag)
    return {
        "image": {
            "registryId": key.account,
            "repositoryName": key.name,
            "imageId": ImageId(digest, tag).describe(),
            "imageManifest": request["imageManifest"],
            "imageManifestMediaType": manifest.media_type,
        }
    }


@operation("ecr:BatchDeleteImage", resources=repository_resource)
async def batch_delete_image(ctx: Context, request: BatchDeleteImageRequestTypeDef) -> Response:
    """Remove images by digest, or tags, and with its last tag the image (API reference: BatchDeleteImage)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    deleted: list[Mapping[str, object]] = []
    failures: list[Mapping[str, object]] = []
    for given in request["imageIds"]:
        outcome = read_image_id(given)
        if isinstance(outcome, ImageId):
            by_tag = outcome.tag is not None
            outcome = await (_delete_by_tag if by_tag else _delete_by_digest)(ctx, key, outcome)
        if isinstance(outcome, Failure):
            failures.append(outcome.describe())
        else:
            deleted += [image_id.describe() for image_id in outcome]
    return {"imageIds": deleted, "failures": failures}


async def _delete_by_digest(ctx: Context, key: RepositoryKey, image_id: ImageId) -> list[ImageId] | Failure:
    digest = image_id.digest or ""
    if await image_status(ctx.tx, key, digest) is None:
        return Failure.not_found(image_id)
    lists = await lists_with(ctx.tx, key, digest)
    if lists:
        return Failure.referenced(image_id, lists)
    names = (await tags_of(ctx.tx, key, [digest])).get(digest, [])
    await delete_image(ctx.tx, key, digest)
    return [ImageId(digest, name) for name in names] or [ImageId(digest, None)]


async def _delete_by_tag(ctx: Context, key: RepositoryKey, image_id: ImageId) -> list[ImageId] | Failure:
    tag = image_id.tag or ""
    digest = await digest_of_tag(ctx.tx, key, tag)
    if digest is None:
        return Failure.not_found(image_id)
    if image_id.digest not in (None, digest):
        return Failure.tag_mismatch(image_id)
    if len((await tags_of(ctx.tx, key, [digest]))[digest]) > 1:
        await delete_tag(ctx.tx, key, tag)
        return [ImageId(digest, tag)]
    lists = await lists_with(ctx.tx, key, digest)
    if lists:
        return Failure.referenced(image_id, lists)
    await delete_image(ctx.tx, key, digest)
    return [ImageId(digest, tag)]
