"""Blobs: pull whole and in ranges, check, delete (OCI distribution 1.1, "Pulling blobs", "Deleting Blobs")."""

from __future__ import annotations

from http import HTTPStatus

from roadstead.registry.call import Call
from roadstead.registry.errors import RegistryError, blob_archived, blob_unknown, digest_invalid
from roadstead.registry.http import FilePart, Repeatable, Request, Response, digest_header
from roadstead.registry.ranges import Span, Unsatisfiable, requested_span
from roadstead.registry.streaming import read_ahead
from roadstead.services.ecr.api import (
    Blob,
    find_blob,
    is_blob_archived,
    is_blob_in_use,
    is_digest,
    keep_for_push,
    require_repository,
    unlink_blob,
)
from roadstead.store import Transaction
from roadstead.store.blobs import BlobStore


async def head_blob(call: Call) -> Response:
    """HEAD: whether the repository has the blob, and how large it is. Who pushes asks that, so it tells of archived ones too."""
    blob = await _find(call, "ecr:BatchCheckLayerAvailability")
    if await keep_for_push(call.backend.storage, call.key, {call.argument: blob}, call.backend.clock.now()):
        raise blob_unknown()
    return await blob_response(call.blobs, call.request, call.argument, blob)


async def get_blob(call: Call) -> Response:
    """GET, whole or a range."""
    recent, question = call.backend.found_blobs, call.question
    kept = recent.find(question)
    if kept is not None:
        blob = kept.answer
    else:
        version = recent.version()
        blob = await _find_to_read(call)
        kept = recent.remember(question, blob, version)
    url = await call.blobs.presign(blob.location)
    if url is not None:
        return Response(HTTPStatus.TEMPORARY_REDIRECT, [(b"location", url.encode()), digest_header(call.argument)])
    response = await blob_response(call.blobs, call.request, call.argument, blob)
    if kept is not None and not call.key.is_public:  # the public have a rate, and each request counts
        response.repeatable = Repeatable(call.holding(kept, recent), _nothing_to_note)
    return response


async def delete_blob(call: Call) -> Response:
    """DELETE: hides the blob from this repository, unless an image consists of it."""
    _check(call)

    async def hide(tx: Transaction) -> bool:
        if await is_blob_in_use(tx, call.key, call.argument):
            raise RegistryError(HTTPStatus.CONFLICT, "DENIED", "the blob is part of an image")
        return await unlink_blob(tx, call.key, call.argument)

    if not await call.writing("ecr:BatchDeleteImage", hide):
        raise blob_unknown()
    return Response(HTTPStatus.ACCEPTED)


async def blob_response(blobs: BlobStore, request: Request, digest: str, blob: Blob) -> Response:
    """The answer with a blob, by the request's method, Range and If-None-Match."""
    size = blob.size
    etag = b'"%b"' % digest.encode()
    headers = [
        (b"content-type", b"application/octet-stream"),
        digest_header(digest),
        (b"etag", etag),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, max-age=31536000, immutable"),
    ]
    if request.has_already(etag):
        return Response(HTTPStatus.NOT_MODIFIED, headers)
    if request.method == "HEAD":
        return Response(HTTPStatus.OK, headers, length=size)
    span = _span(request, etag, size)
    status = HTTPStatus.OK
    if span is not None:
        status = HTTPStatus.PARTIAL_CONTENT
        headers.append((b"content-range", b"bytes %d-%d/%d" % (span.start, span.end - 1, size)))
    span = span or Span(0, size)
    path = blobs.local_path(blob.location) if request.send_file is not None else None
    if path is not None:
        return Response(status, headers, FilePart(path, span.start, span.length), span.length)
    content = read_ahead(blobs.open_range(blob.location, span.start, span.end))
    return Response(status, headers, content, span.length)


def _nothing_to_note() -> None:
    """It is manifests whose pulls are noted."""


def _span(request: Request, etag: bytes, size: int) -> Span | None:
    if request.headers.get(b"if-range", etag) != etag:
        return None
    try:
        return requested_span(request.header(b"range"), size)
    except Unsatisfiable as error:
        message = f"invalid range: {error}"
        headers = [(b"content-range", b"bytes */%d" % size)]
        raise RegistryError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message, headers) from error


def _check(call: Call) -> None:
    if not is_digest(call.argument):
        raise digest_invalid(call.argument)


async def _find(call: Call, action: str) -> Blob:
    blob = await _look(call, action)
    if blob is None:
        raise blob_unknown()
    return blob


async def _find_to_read(call: Call) -> Blob:
    """The blob, which is fetched anew where its repository is a cache and has lost it."""
    action = "ecr:GetDownloadUrlForLayer"
    blob = await _look(call, action, reads=True)
    if blob is not None:
        return blob
    await call.backend.pull_through.fetch_layer(call.key, call.argument, call.allow)
    return await _find(call, action)


async def _look(call: Call, action: str, *, reads: bool = False) -> Blob | None:
    _check(call)
    async with call.reading(action) as tx:
        blob = await find_blob(tx, call.key, call.argument)
        if blob is None:
            await require_repository(tx, call.key)
        elif reads and await is_blob_archived(tx, call.key, call.argument):
            raise blob_archived()
    return blob
