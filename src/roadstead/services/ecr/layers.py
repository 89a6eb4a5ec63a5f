"""Layers through the API: BatchCheckLayerAvailability, GetDownloadUrlForLayer, and uploads in parts.

The operations that move bytes only read in the request's transaction; what they write comes in one of its own, once the bytes are in
place, because a transaction waits for nothing but the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from roadstead.access.sealing import Sealer
from roadstead.services.ecr.blobs import RegistryStorage, begin_upload, blob_size, end_upload, find_upload, link_blob
from roadstead.services.ecr.downloads import issue_ticket
from roadstead.services.ecr.errors import (
    EmptyUploadException,
    InvalidLayerException,
    InvalidLayerPartException,
    InvalidParameterException,
    LayerAlreadyExistsException,
    LayersNotFoundException,
    UploadNotFoundException,
)
from roadstead.services.ecr.keys import RepositoryKey, is_digest
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction
from roadstead.store.blobs import Digest, DigestMismatch, OffsetMismatch, UploadUnknown

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
async def batch_check_layer_availability(ctx: Context, request: BatchCheckLayerAvailabilityRequestTypeDef) -> Response:
    """Which of these layers the repository has (API reference: BatchCheckLayerAvailability)."""
    key = repository_key(ctx, request, "BatchCheckLayerAvailability")
    await require_repository(ctx.tx, key)
    layers: list[Mapping[str, object]] = []
    failures: list[Mapping[str, object]] = []
    for digest in request["layerDigests"]:
        if not is_digest(digest):
            missing = not digest
            failures.append(
                {
                    "layerDigest": digest,
                    "failureCode": "MissingLayerDigest" if missing else "InvalidLayerDigest",
                    "failureReason": "Layer digest cannot be null" if missing else f"Invalid layer digest '{digest}'",
                }
            )
            continue
        size = await blob_size(ctx.tx, key, digest)
        if size is None:
            layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
        else:
            layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": size})
    return {"layers": layers, "failures": failures}


@operation("ecr:GetDownloadUrlForLayer", resources=repository_resource, reads=True)
async def get_download_url_for_layer(ctx: Context, request: GetDownloadUrlForLayerRequestTypeDef) -> Response:
    """A URL that serves the layer for an hour (API reference: GetDownloadUrlForLayer)."""
    key = repository_key(ctx, request, "GetDownloadUrlForLayer")
    await require_repository(ctx.tx, key)
    digest = request["layerDigest"]
    if not is_digest(digest) or await blob_size(ctx.tx, key, digest) is None:
        raise LayersNotFoundException.of(key, digest)
    ticket = issue_ticket(ctx.component(Sealer), key, digest, ctx.clock.now())
    host = ctx.deployment.registry_host(key.account, key.region)
    return {"downloadUrl": f"http://{host}/v2/_layers/{ticket}", "layerDigest": digest}


@operation("ecr:InitiateLayerUpload", resources=repository_resource, reads=True)
async def initiate_layer_upload(ctx: Context, request: InitiateLayerUploadRequestTypeDef) -> Response:
    """Begin an upload in parts (API reference: InitiateLayerUpload)."""
    key = repository_key(ctx, request, "InitiateLayerUpload")
    await require_repository(ctx.tx, key)
    storage = ctx.component(RegistryStorage)
    blob_upload = await storage.blobs.create_upload()
    upload_id = await storage.store.run(lambda tx: begin_upload(tx, key, blob_upload))
    return {"uploadId": upload_id, "partSize": PART_BYTES}


@operation("ecr:UploadLayerPart", resources=repository_resource, reads=True)
async def upload_layer_part(ctx: Context, request: UploadLayerPartRequestTypeDef) -> Response:
    """Add a part where the last one ended (API reference: UploadLayerPart)."""
    key = repository_key(ctx, request, "UploadLayerPart")
    upload, blob_upload = await _upload(ctx, key, request["uploadId"])
    first, last = request["partFirstByte"], request["partLastByte"]
    content = request["layerPartBlob"]
    if not isinstance(content, bytes):
        raise TypeError("the codec hands over bytes")
    if last - first + 1 != len(content):
        raise InvalidParameterException.at("partLastByte", "the range and the part have the same length")
    try:
        end = await ctx.component(RegistryStorage).blobs.append(blob_upload, first, content)
    except OffsetMismatch as error:
        raise InvalidLayerPartException.of(key, upload, error.size) from error
    except UploadUnknown as error:
        raise UploadNotFoundException.of(key, upload) from error
    return {"registryId": key.account, "repositoryName": key.name, "uploadId": upload, "lastByteReceived": end - 1}


@operation("ecr:CompleteLayerUpload", resources=repository_resource, reads=True)
async def complete_layer_upload(ctx: Context, request: CompleteLayerUploadRequestTypeDef) -> Response:
    """Check the digest and make the layer visible (API reference: CompleteLayerUpload)."""
    key = repository_key(ctx, request, "CompleteLayerUpload")
    upload, blob_upload = await _upload(ctx, key, request["uploadId"])
    digest = request["layerDigests"][0]
    if not is_digest(digest):
        raise InvalidParameterException.at("layerDigests", "must be a sha256 or sha512 digest")
    if await blob_size(ctx.tx, key, digest) is not None:
        raise LayerAlreadyExistsException.of(key, digest)
    storage = ctx.component(RegistryStorage)
    try:
        if (await storage.blobs.upload_status(blob_upload)).size == 0:
            raise EmptyUploadException.of(key, upload)
        size = await storage.blobs.seal(blob_upload, Digest.parse(digest))
    except DigestMismatch as error:
        raise InvalidLayerException.of(key, upload, digest) from error
    except UploadUnknown as error:
        raise UploadNotFoundException.of(key, upload) from error

    async def publish(tx: Transaction) -> None:
        await link_blob(tx, key, digest, size)
        await end_upload(tx, upload)

    await storage.store.run(publish)
    return {"registryId": key.account, "repositoryName": key.name, "uploadId": upload, "layerDigest": digest}


async def _upload(ctx: Context, key: RepositoryKey, upload: str) -> tuple[str, str]:
    await require_repository(ctx.tx, key)
    blob_upload = await find_upload(ctx.tx, key, upload)
    if blob_upload is None:
        raise UploadNotFoundException.of(key, upload)
    return upload, blob_upload
