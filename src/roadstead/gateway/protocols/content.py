"""The request's body as the codecs read it: with the SDKs' compression undone.

Clients compress some requests (Smithy's requestCompression trait, CloudWatch's PutMetricData). The signature covers
the bytes on the wire, so this happens after it was checked; but a form is looked into before, for its Action.
"""

from __future__ import annotations

import zlib

from roadstead.gateway.protocols.errors import SerializationException
from roadstead.gateway.protocols.messages import HttpRequest

MAX_DECOMPRESSED = 16 * 1024 * 1024
"""Bytes that a compressed body may grow to."""

_GZIP = 31


def body_of(request: HttpRequest) -> bytes:
    """The body, decompressed where Content-Encoding ends in gzip; raises SerializationException."""
    encoding = request.headers.get("content-encoding")
    if encoding is None or not request.body or encoding.rpartition(",")[2].strip().lower() != "gzip":
        return request.body
    decompressor = zlib.decompressobj(_GZIP)
    try:
        body = decompressor.decompress(request.body, MAX_DECOMPRESSED)
    except zlib.error as error:
        raise SerializationException("The body is not gzip, as its Content-Encoding says") from error
    if decompressor.unconsumed_tail:
        raise SerializationException(f"The body is larger than {MAX_DECOMPRESSED} bytes when decompressed")
    if not decompressor.eof:
        raise SerializationException("The compressed body is truncated")
    if decompressor.unused_data:
        raise SerializationException("Something follows the compressed body")
    return body
