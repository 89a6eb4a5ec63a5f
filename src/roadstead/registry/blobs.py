"""Blobs: pull whole and in ranges, check, delete (OCI distribution 1.1, "Pulling blobs", "Deleting Blobs")."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from roadstead.registry.call import Call
from roadstead.registry.errors import RegistryError, blob_unknown, digest_invalid
from roadstead.registry.http import Request, Response, digest_header
from roadstead.registry.ranges import Span, Unsatisfiable, requested_span
from roadstead.registry.streaming import read_ahead, read_part
from roadstead.services.ecr.api import blob_size, is_blob_in_use, is_digest, require_repository, unlink_blob
from roadstead.store import Transaction
from roadstead.store.blobs import BlobStore, Digest

_SMALL_BYTES = 1024 * 1024
"""What is read from a local file in one go."""


async def head_blob(call: Call) -> Response:
    """HEAD: whether the repository has the blob, and how large it is."""
    size = await _size(call, "ecr:BatchCheckLayerAvailability")
    return await blob_response(call.blobs, call.request, call.argument, size)


async def get_blob(call: Call) -> Response:
    """GET, whole or a range."""
    size = call.backend.sizes.find(call.question)
    if size is None:
        version = call.backend.sizes.version()
        size = await _size(call, "ecr:GetDownloadUrlForLayer")
        call.backend.sizes.remember(call.question, size, version)
    url = await call.blobs.presign(Digest.parse(call.argument))
    if url is not None:
        return Response(HTTPStatus.TEMPORARY_REDIRECT, [(b"location", url.encode()), digest_header(call.argument)])
    return await blob_response(call.blobs, call.request, call.argument, size)


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


async def blob_response(blobs: BlobStore, request: Request, digest: str, size: int) -> Response:
    """The answer with a blob of `size` bytes, by the request's method, Range and If-None-Match."""
    etag = b'"%b"' % digest.encode()
    headers = [
        (b"content-type", b"application/octet-stream"),
        digest_header(digest),
        (b"etag", etag),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, max-age=31536000, immutable"),
    ]
    if etag in request.headers.get(b"if-none-match", b""):
        return Response(HTTPStatus.NOT_MODIFIED, headers)
    if request.method == "HEAD":
        return Response(HTTPStatus.OK, headers, length=size)
    span = _span(request, etag, size)
    status = HTTPStatus.OK
    if span is not None:
        status = HTTPStatus.PARTIAL_CONTENT
        headers.append((b"content-range", b"bytes %d-%d/%d" % (span.start, span.end - 1, size)))
    span = span or Span(0, size)
    path = blobs.local_path(Digest.parse(digest)) if span.length <= _SMALL_BYTES else None
    if path is not None:
        return Response(status, headers, await asyncio.to_thread(read_part, path, span.start, span.length))
    content = read_ahead(blobs.open_range(Digest.parse(digest), span.start, span.end))
    return Response(status, headers, content, span.length)


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


async def _size(call: Call, action: str) -> int:
    _check(call)
    async with call.reading(action) as tx:
        size = await blob_size(tx, call.key, call.argument)
        if size is None:
            await require_repository(tx, call.key)
            raise blob_unknown()
    return size
