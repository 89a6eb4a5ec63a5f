"""Layers through the API: BatchCheckLayerAvailability, GetDownloadUrlForLayer, and uploads in parts.

The operations that move bytes only read in the request's transaction; what they write comes in one of its own, once the bytes are in
place, because a transaction waits for nothing but the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from roadstead.access.sealing import Sealer
from roadstead.services.ecr.blobs import (
    Blob,
    RegistryStorage,
    blob_size,
    find_blob,
    is_blob_archived,
    is_blob_in_use,
)
from roadstead.services.ecr.byte_quotas import require_room_for, require_room_to_go_on, require_room_to_seal
from roadstead.services.ecr.collection import keep_for_push
from roadstead.services.ecr.creation import create_on_push, has_create_on_push
from roadstead.services.ecr.downloads import issue_ticket
from roadstead.services.ecr.errors import (
    EmptyUploadException,
    InvalidLayerException,
    InvalidLayerPartException,
    InvalidParameterException,
    LayerAlreadyExistsException,
    LayerInaccessibleException,
    LayerPartTooSmallException,
    LayersNotFoundException,
    RepositoryNotFoundException,
    UploadNotFoundException,
)
from roadstead.services.ecr.guarded import guarded_repository
from roadstead.services.ecr.keys import RepositoryKey, is_digest
from roadstead.services.ecr.pull_through import PullThrough
from roadstead.services.ecr.quotas import RegistryLimits, check_room
from roadstead.services.ecr.repositories import find_repository, require_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.upload_sessions import begin_upload, count_part, find_upload, parts_of, publish_upload
from roadstead.services.ecr.upstream import UpstreamError
from roadstead.services.ecr.upstream_errors import UnableToGetUpstreamLayerException
from roadstead.services.operation import Afterwards, Context, Outside, operation
from roadstead.store import Transaction
from roadstead.store.blobs import Digest, DigestMismatch, OffsetMismatch, Sealed, UploadUnknown

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        BatchCheckLayerAvailabilityRequestTypeDef,
        CompleteLayerUploadRequestTypeDef,
        GetDownloadUrlForLayerRequestTypeDef,
        InitiateLayerUploadRequestTypeDef,
        UploadLayerPartRequestTypeDef,
    )

PART_BYTES = 10 * 1024 * 1024
"""The part size that InitiateLayerUpload recommends."""


@operation("ecr:BatchCheckLayerAvailability", resources=repository_resource, reads=True)
async def batch_check_layer_availability(
    ctx: Context, request: BatchCheckLayerAvailabilityRequestTypeDef
) -> Afterwards:
    """Which of these layers the repository has (API reference: BatchCheckLayerAvailability)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    present: dict[str, Blob] = {}
    layers: list[Mapping[str, object]] = []
    failures: list[Mapping[str, object]] = []
    for digest in request["layerDigests"]:
        if not is_digest(digest):
            failures.append(_no_digest(digest))
            continue
        blob = await find_blob(ctx.tx, key, digest)
        if blob is None:
            layers.append(_unavailable(digest))
        else:
            present[digest] = blob
            availability = "ARCHIVED" if await is_blob_archived(ctx.tx, key, digest) else "AVAILABLE"
            layers.append({"layerDigest": digest, "layerAvailability": availability, "layerSize": blob.size})

    async def keep() -> Response:
        gone = await keep_for_push(ctx.component(RegistryStorage), key, present, ctx.clock.now())
        told = [_unavailable(str(each["layerDigest"])) if each["layerDigest"] in gone else each for each in layers]
        return {"layers": told, "failures": failures}

    return Afterwards(keep)


async def _fetched(outside: Outside, request: GetDownloadUrlForLayerRequestTypeDef) -> None:
    """Bring a layer that was lost from where its repository's pull through cache rule got it."""
    digest = request["layerDigest"]
    async with outside.store.snapshot() as tx:
        ctx = await outside.context(tx)
        key = repository_key(ctx, request)
        if not is_digest(digest) or await find_blob(tx, key, digest) is not None:
            return

    async def allow(tx: Transaction, action: str) -> None:
        ctx = await outside.context(tx)
        await ctx.authorise(action, [await guarded_repository(tx, key, action)])

    try:
        await outside.component(PullThrough).fetch_layer(key, digest, allow)
    except UpstreamError as error:
        raise UnableToGetUpstreamLayerException.of(key, digest, str(error)) from error


@operation("ecr:GetDownloadUrlForLayer", resources=repository_resource, before=_fetched, reads=True)
async def get_download_url_for_layer(ctx: Context, request: GetDownloadUrlForLayerRequestTypeDef) -> Response:
    """A URL that serves the layer for an hour (API reference: GetDownloadUrlForLayer)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    digest = request["layerDigest"]
    if not is_digest(digest) or await blob_size(ctx.tx, key, digest) is None:
        raise LayersNotFoundException.of(key, digest)
    if not await is_blob_in_use(ctx.tx, key, digest):
        raise LayerInaccessibleException.of_no_image(key, digest)
    if await is_blob_archived(ctx.tx, key, digest):
        raise LayerInaccessibleException.archived(key, digest)
    ticket = issue_ticket(ctx.component(Sealer), key, digest, ctx.clock.now())
    host = ctx.deployment.registry_host(key.account, key.region)
    return {"downloadUrl": f"http://{host}/v2/_layers/{ticket}", "layerDigest": digest}


@operation("ecr:InitiateLayerUpload", resources=repository_resource, reads=True)
async def initiate_layer_upload(ctx: Context, request: InitiateLayerUploadRequestTypeDef) -> Afterwards:
    """Begin an upload in parts (API reference: InitiateLayerUpload)."""
    key = repository_key(ctx, request)
    is_missing = await _is_to_be_created(ctx, key)
    storage = ctx.component(RegistryStorage)

    async def begin() -> Response:
        if is_missing:
            await storage.store.run(lambda tx: create_on_push(tx, key, storage.limits))
        blob_upload = await storage.blobs.create_upload()
        upload_id = await storage.store.run(lambda tx: begin_upload(tx, key, blob_upload))
        return {"uploadId": upload_id, "partSize": PART_BYTES}

    return Afterwards(begin)


@operation("ecr:UploadLayerPart", resources=repository_resource, reads=True)
async def upload_layer_part(ctx: Context, request: UploadLayerPartRequestTypeDef) -> Afterwards:
    """Add a part where the last one ended (API reference: UploadLayerPart)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    upload, blob_upload = await _upload(ctx, key, request["uploadId"])
    first, last = request["partFirstByte"], request["partLastByte"]
    content = request["layerPartBlob"]
    if not isinstance(content, bytes):
        raise TypeError("the codec hands over bytes")
    if last - first + 1 != len(content):
        raise InvalidParameterException.at("partLastByte", "the range and the part have the same length")
    storage = ctx.component(RegistryStorage)
    limits = storage.limits
    _, largest_part = limits.of(key, "LayerPartBytes")
    if len(content) > largest_part:
        raise InvalidParameterException.at("layerPartBlob", f"a layer part has at most {largest_part} bytes")
    present = (await parts_of(ctx.tx, upload)).count
    check_room(*limits.of(key, "LayerParts"), present, "The layer has all the parts that it may have")
    check_room(*limits.of(key, "LayerBytes"), last, "The layer is larger than it may be")
    _, smallest_part = limits.of(key, "LayerPartMinimumBytes")

    async def append() -> Response:
        await require_room_to_go_on(storage, key, last + 1)
        try:
            end = await storage.blobs.append(blob_upload, first, content)
        except OffsetMismatch as error:
            raise InvalidLayerPartException.of(key, upload, error.size) from error
        except UploadUnknown as error:
            raise UploadNotFoundException.of(key, upload) from error
        await storage.store.run(lambda tx: count_part(tx, upload, end, smallest_part))
        return {"registryId": key.account, "repositoryName": key.name, "uploadId": upload, "lastByteReceived": end - 1}

    return Afterwards(append)


@operation("ecr:CompleteLayerUpload", resources=repository_resource, reads=True)
async def complete_layer_upload(ctx: Context, request: CompleteLayerUploadRequestTypeDef) -> Afterwards:
    """Check the digest and make the layer visible (API reference: CompleteLayerUpload).

    Whoever asks again because the answer was lost is told that the layer exists, not that its upload does not any more.
    """
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    digest = request["layerDigests"][0]
    if not is_digest(digest):
        raise InvalidParameterException.at("layerDigests", "must be a sha256 or sha512 digest")
    storage = ctx.component(RegistryStorage)
    present = await find_blob(ctx.tx, key, digest)
    if present is not None:
        return Afterwards(partial(_already_there, storage, key, request["uploadId"], {digest: present}))
    upload, blob_upload = await _upload(ctx, key, request["uploadId"])
    if (await parts_of(ctx.tx, upload)).too_small:
        raise LayerPartTooSmallException.of(key, upload)

    async def seal() -> Response:
        try:
            if (await storage.blobs.upload_status(blob_upload)).size == 0:
                raise EmptyUploadException.of(key, upload)
            await require_room_to_seal(storage, key, digest, blob_upload)
            sealed = await storage.blobs.seal(blob_upload, Digest.parse(digest))
            await storage.store.run(lambda tx: _publish(tx, key, upload, digest, sealed, storage.limits))
        except DigestMismatch as error:
            raise InvalidLayerException.of(key, upload, digest) from error
        except UploadUnknown as error:
            raise UploadNotFoundException.of(key, upload) from error
        return {"registryId": key.account, "repositoryName": key.name, "uploadId": upload, "layerDigest": digest}

    return Afterwards(seal)


async def _already_there(
    storage: RegistryStorage, key: RepositoryKey, upload: str, present: Mapping[str, Blob]
) -> Response:
    """Tell that the layer exists, once it is noted that somebody was told so."""
    gone = await keep_for_push(storage, key, present, storage.store.clock.now())
    if gone:
        raise UploadNotFoundException.of(key, upload)  # push it again
    raise LayerAlreadyExistsException.of(key, next(iter(present)))


async def _publish(
    tx: Transaction, key: RepositoryKey, upload: str, digest: str, sealed: Sealed, limits: RegistryLimits
) -> None:
    await require_room_for(tx, key, digest, sealed.size, limits)
    await publish_upload(tx, key, upload, digest, sealed)


def _unavailable(digest: str) -> Mapping[str, object]:
    return {"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}


def _no_digest(text: str) -> Mapping[str, object]:
    code, reason = "InvalidLayerDigest", f"Invalid layer digest '{text}'"
    if not text:
        code, reason = "MissingLayerDigest", "Layer digest cannot be null"
    return {"layerDigest": text, "failureCode": code, "failureReason": reason}


async def _is_to_be_created(ctx: Context, key: RepositoryKey) -> bool:
    """Whether the repository is missing, and comes to be by a creation template's word; raises RepositoryNotFoundException."""
    if await find_repository(ctx.tx, key) is not None:
        return False
    if not await has_create_on_push(ctx.tx, key):
        raise RepositoryNotFoundException.of(key)
    await ctx.authorise("ecr:CreateRepository", [await guarded_repository(ctx.tx, key, "ecr:CreateRepository")])
    return True


async def _upload(ctx: Context, key: RepositoryKey, upload: str) -> tuple[str, str]:
    blob_upload = await find_upload(ctx.tx, key, upload)
    if blob_upload is None:
        raise UploadNotFoundException.of(key, upload)
    return upload, blob_upload
