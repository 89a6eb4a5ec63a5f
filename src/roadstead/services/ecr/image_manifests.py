"""BatchGetImage: manifests, those of upstream registries too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from roadstead.services.ecr.content import (
    StoredManifest,
    is_archived,
    manifest_by_digest,
    manifest_by_tag,
)
from roadstead.services.ecr.errors import LimitExceededException
from roadstead.services.ecr.guarded import guarded_repository
from roadstead.services.ecr.image_ids import Failure, ImageId, read_image_id
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.pull_through import PullThrough
from roadstead.services.ecr.pull_through_rules import rule_for
from roadstead.services.ecr.pulls import PullRecorder
from roadstead.services.ecr.repositories import find_repository, require_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.upstream import (
    Allow,
    UpstreamAccessDenied,
    UpstreamError,
    UpstreamSecretLost,
    UpstreamTooManyRequests,
)
from roadstead.services.ecr.upstream_errors import UnableToGetUpstreamImageException
from roadstead.services.operation import Context, Outside, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import BatchGetImageRequestTypeDef, ImageTypeDef


MAX_ANSWER_BYTES = 32 << 20
"""Of manifests in one answer, which is made in memory; AWS does not say what its own bound is."""

_Fetched = Mapping[ImageId, Failure | None]
"""What became of the images that an upstream was asked for: None where all is well."""


async def _fetched(outside: Outside, request: BatchGetImageRequestTypeDef) -> _Fetched:
    """Ask the upstream of a pull through cache rule, if there is one, for what is missing here or may be out of date."""
    async with outside.store.snapshot() as tx:
        ctx = await outside.context(tx)
        key = repository_key(ctx, request)
        if await rule_for(tx, key) is None:
            return {}
        cache = outside.component(PullThrough)
        missing: list[ImageId] = []
        stale: list[str] = []
        for image_id in map(read_image_id, request["imageIds"]):
            if isinstance(image_id, Failure):
                continue
            manifest = await _manifest(tx, key, image_id)
            if manifest is None:
                missing.append(image_id)
            elif image_id.tag is not None and cache.is_stale(key, image_id.tag, manifest.checked_at):
                stale.append(image_id.tag)

    async def allow(tx: Transaction, action: str) -> None:
        ctx = await outside.context(tx)
        await ctx.authorise(action, [await guarded_repository(tx, key, action)])

    for tag in dict.fromkeys(stale):
        await cache.refresh(key, tag, allow)
    return {image_id: await _fetch(cache, key, image_id, allow) for image_id in dict.fromkeys(missing)}


@operation("ecr:BatchGetImage", resources=repository_resource, before=_fetched, reads=True)
async def batch_get_image(ctx: Context, request: BatchGetImageRequestTypeDef) -> Response:
    """Manifests by digest or tag; what can't be had is listed as a failure (API reference: BatchGetImage).

    On AWS too the API fetches by pull through cache rules: a pull of a client is this call, its failures have the codes Upstream..., and
    UnableToGetUpstreamImageException is for rules whose secret is of no use (docs of the operation and of the exception). AWS does not say what a
    first pull is told while there is neither repository nor upstream: here it is that exception, not that the repository is missing.

    Raises LimitExceededException for manifests of more than MAX_ANSWER_BYTES together.
    """
    key = repository_key(ctx, request)
    fetched = cast("_Fetched", ctx.prepared)
    failure = next((each for each in fetched.values() if each is not None), None)
    if failure is not None and await find_repository(ctx.tx, key) is None:
        raise UnableToGetUpstreamImageException.of(key, failure.reason)
    await require_repository(ctx.tx, key)
    found: dict[ImageId, StoredManifest] = {}
    failures: list[Mapping[str, object]] = []
    size = 0
    for image_id in map(read_image_id, request["imageIds"]):
        if isinstance(image_id, Failure):
            outcome = image_id
        else:
            outcome = fetched.get(image_id) or await _get(ctx, key, image_id, request.get("acceptedMediaTypes"))
        if isinstance(outcome, Failure):
            failures.append(outcome.describe())
            continue
        identified, manifest = outcome
        if identified not in found:
            found[identified] = manifest
            size += len(manifest.content)
        if size > MAX_ANSWER_BYTES:
            raise LimitExceededException(
                f"The manifests of these images have more than {MAX_ANSWER_BYTES} bytes together. Ask for fewer at once."
            )
    for manifest in found.values():
        ctx.component(PullRecorder).pulled(key, manifest.digest, ctx.principal.identity_arn)
    return {"images": [_image(key, *each) for each in found.items()], "failures": failures}


async def _fetch(cache: PullThrough, key: RepositoryKey, image_id: ImageId, allow: Allow) -> Failure | None:
    """Fetch an image from its upstream; the failure that is to be told, if there is one."""
    try:
        await cache.fetch(key, image_id.tag or image_id.digest or "", allow)
    except UpstreamSecretLost as error:
        raise UnableToGetUpstreamImageException.of(key, str(error)) from error
    except UpstreamAccessDenied as error:
        return Failure(image_id, "UpstreamAccessDenied", str(error))
    except UpstreamTooManyRequests as error:
        return Failure(image_id, "UpstreamTooManyRequests", str(error))
    except UpstreamError as error:
        return Failure(image_id, "UpstreamUnavailable", str(error))
    return None


async def _get(
    ctx: Context, key: RepositoryKey, image_id: ImageId, accepted: Sequence[str] | None
) -> tuple[ImageId, StoredManifest] | Failure:
    manifest = await _manifest(ctx.tx, key, image_id)
    if manifest is None:
        return await _missing(ctx.tx, key, image_id)
    if accepted is not None and manifest.media_type not in accepted:
        return Failure.not_found(image_id)
    if image_id.digest not in (None, manifest.digest):
        return Failure.tag_mismatch(image_id)
    return ImageId(manifest.digest, image_id.tag), manifest


def _image(key: RepositoryKey, image_id: ImageId, manifest: StoredManifest) -> ImageTypeDef:
    return {
        "registryId": key.account,
        "repositoryName": key.name,
        "imageId": image_id.describe(),
        "imageManifest": manifest.content.decode(),
        "imageManifestMediaType": manifest.media_type,
    }


async def _manifest(tx: Transaction, key: RepositoryKey, image_id: ImageId) -> StoredManifest | None:
    if image_id.tag is not None:
        return await manifest_by_tag(tx, key, image_id.tag)
    return await manifest_by_digest(tx, key, image_id.digest or "")


async def _missing(tx: Transaction, key: RepositoryKey, image_id: ImageId) -> Failure:
    archived = await is_archived(tx, key, image_id.tag or image_id.digest or "")
    return Failure.archived(image_id) if archived else Failure.not_found(image_id)
