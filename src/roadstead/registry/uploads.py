"""Uploads: begin, mount, add chunks, ask, finish, cancel (OCI distribution 1.1, "Pushing Blobs").

Bytes go to the blob store between transactions; a blob is visible once a transaction has linked it to the repository.
"""

from __future__ import annotations

from http import HTTPStatus

from roadstead.access.errors import AccessDenied
from roadstead.registry.bodies import Body, body_of
from roadstead.registry.call import Call
from roadstead.registry.errors import Header, RegistryError, digest_invalid, too_large, upload_unknown
from roadstead.registry.http import Response, digest_header, location
from roadstead.registry.ranges import Span, Unsatisfiable, chunk_span
from roadstead.services.ecr.api import (
    begin_upload,
    end_upload,
    find_blob,
    find_upload,
    is_blob_archived,
    is_digest,
    link_blob,
    may_mount,
    publish_upload,
    require_repository,
    require_room_for,
    require_room_to_seal,
    upload_bound,
)
from roadstead.store import Transaction
from roadstead.store.blobs import Digest, DigestMismatch, OffsetMismatch, UploadUnknown


async def post_upload(call: Call) -> Response:
    """POST: begins an upload; with `mount` takes the blob of another repository, with `digest` takes the whole blob at once."""
    await call.repository_to_push("ecr:InitiateLayerUpload")
    mount, source = call.request.query("mount"), call.request.query("from")
    if mount is not None:
        if not is_digest(mount):
            raise digest_invalid(mount)
        if source is not None and await _mount(call, mount, source):
            return _created(call, mount)
    digest = call.request.query("digest")
    if digest is not None and mount is None:
        return await _post_whole(call, digest)
    blob_upload = await call.blobs.create_upload()
    upload = await call.writing("ecr:InitiateLayerUpload", lambda tx: begin_upload(tx, call.key, blob_upload))
    return Response(HTTPStatus.ACCEPTED, _progress(call, upload, 0))


async def get_upload(call: Call) -> Response:
    """GET: how far an upload has come."""
    blob_upload = await _find(call, "ecr:UploadLayerPart")
    size = (await call.blobs.upload_status(blob_upload)).size
    return Response(HTTPStatus.NO_CONTENT, _progress(call, call.argument, size))


async def patch_upload(call: Call) -> Response:
    """PATCH: adds a chunk, or a stream of unknown length."""
    blob_upload = await _find(call, "ecr:UploadLayerPart")
    size = await _append(call, blob_upload)
    return Response(HTTPStatus.ACCEPTED, _progress(call, call.argument, size))


async def put_upload(call: Call) -> Response:
    """PUT: adds the last chunk, if there is one, and makes the blob `digest` of all that came."""
    digest = call.request.query("digest")
    if digest is None or not is_digest(digest):
        raise digest_invalid(digest or "")
    blob_upload = await _find(call, "ecr:CompleteLayerUpload")
    if call.request.has_body or b"content-range" in call.request.headers:
        async with call.reading("ecr:UploadLayerPart"):
            pass
        await _append(call, blob_upload)
    await _publish(call, call.argument, blob_upload, digest)
    return _created(call, digest)


async def delete_upload(call: Call) -> Response:
    """DELETE: cancels an upload."""
    blob_upload = await _find(call, "ecr:InitiateLayerUpload")
    if not await call.writing("ecr:InitiateLayerUpload", lambda tx: end_upload(tx, call.key, call.argument)):
        raise upload_unknown()
    await _drop(call, blob_upload)
    return Response(HTTPStatus.NO_CONTENT)


async def _post_whole(call: Call, digest: str) -> Response:
    if not is_digest(digest):
        raise digest_invalid(digest)
    async with call.reading("ecr:InitiateLayerUpload") as tx:
        await call.allow(tx, "ecr:UploadLayerPart")
        await require_repository(tx, call.key)
    blob_upload = await call.blobs.create_upload()
    upload = await call.writing("ecr:InitiateLayerUpload", lambda tx: begin_upload(tx, call.key, blob_upload))
    try:
        await call.blobs.append(blob_upload, 0, await _limited(call, 0))
        await _publish(call, upload, blob_upload, digest)
    except BaseException:
        await call.backend.storage.store.run(lambda tx: end_upload(tx, call.key, upload))
        await _drop(call, blob_upload)
        raise
    return _created(call, digest)


async def _mount(call: Call, digest: str, source: str) -> bool:
    """Link the blob of another repository that the principal may read; False, whatever the reason, means: upload it."""
    origin = call.sibling(source)
    if origin is None:
        return False

    async def mount(tx: Transaction) -> bool:
        try:
            await call.allow(tx, "ecr:GetDownloadUrlForLayer", origin)
        except AccessDenied:
            return False
        blob = await find_blob(tx, origin, digest)
        if blob is None or not (call.key.is_public or await may_mount(tx, call.key.account, call.key.region)):
            return False
        if await is_blob_archived(tx, origin, digest):
            return False
        await require_room_for(tx, call.key, digest, blob.size, call.backend.storage.limits)
        await link_blob(tx, call.key, digest, blob)
        return True

    return await call.writing("ecr:InitiateLayerUpload", mount)


async def _find(call: Call, action: str) -> str:
    async with call.reading(action) as tx:
        blob_upload = await find_upload(tx, call.key, call.argument)
        if blob_upload is None:
            await require_repository(tx, call.key)
            raise upload_unknown()
    return blob_upload


async def _append(call: Call, blob_upload: str) -> int:
    """Add the request's body where the upload ends; returns its new size."""
    size = (await call.blobs.upload_status(blob_upload)).size
    try:
        span = chunk_span(call.request.header(b"content-range"))
    except Unsatisfiable as error:
        raise _out_of_order(call, size) from error
    if span is not None:
        _check_length(call, span)
    start = size if span is None else span.start
    try:
        return await call.blobs.append(blob_upload, start, await _limited(call, start, span))
    except OffsetMismatch as error:
        raise _out_of_order(call, error.size) from error


async def _limited(call: Call, start: int, span: Span | None = None) -> Body:
    """The body, as long as it fits the announced span, the largest layer, and the room that is left for content."""
    limit = call.backend.max_public_layer_bytes if call.key.is_public else call.backend.max_layer_bytes
    length = call.request.content_length
    bound = await upload_bound(call.backend.storage, call.key)
    if bound is not None and bound.most < min(limit, start + span.length if span is not None else limit):
        size = start + (length or 0)
        return body_of(call.request, bound.most - start, bound.refusal(max(size, bound.most + 1)))
    if span is not None and start + span.length <= limit:
        return body_of(call.request, span.length, too_large("the chunk", span.length))
    return body_of(call.request, limit - start, too_large("the layer", limit))


async def _publish(call: Call, upload: str, blob_upload: str, digest: str) -> None:
    """Make what was uploaded the blob `digest`, and let the repository see it."""
    await require_room_to_seal(call.backend.storage, call.key, digest, blob_upload)
    try:
        sealed = await call.blobs.seal(blob_upload, Digest.parse(digest))
    except DigestMismatch as error:
        message = f"provided digest did not match uploaded content: {error}"
        raise RegistryError(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", message) from error

    async def publish(tx: Transaction) -> None:
        await require_room_for(tx, call.key, digest, sealed.size, call.backend.storage.limits)
        await publish_upload(tx, call.key, upload, digest, sealed)

    await call.writing("ecr:CompleteLayerUpload", publish)


async def _drop(call: Call, blob_upload: str) -> None:
    try:
        await call.blobs.abort(blob_upload)
    except UploadUnknown:
        return  # it was sealed: garbage collection finds that nobody will ever see it


def _check_length(call: Call, span: Span) -> None:
    length = call.request.content_length
    if length is not None and length != span.length:
        message = f"a body of {length} bytes does not fill the range of {span.length}"
        raise RegistryError(HTTPStatus.BAD_REQUEST, "SIZE_INVALID", message)


def _out_of_order(call: Call, size: int) -> RegistryError:
    return RegistryError(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "BLOB_UPLOAD_INVALID",
        f"the next chunk starts at byte {size}",
        _progress(call, call.argument, size),
    )


def _progress(call: Call, upload: str, size: int) -> list[Header]:
    return [
        location(f"{call.base}/blobs/uploads/{upload}"),
        (b"range", b"0-%d" % max(0, size - 1)),
        (b"docker-upload-uuid", upload.encode()),
    ]


def _created(call: Call, digest: str) -> Response:
    return Response(HTTPStatus.CREATED, [location(f"{call.base}/blobs/{digest}"), digest_header(digest)])
