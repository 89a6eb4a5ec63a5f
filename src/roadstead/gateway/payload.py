"""What a signature says of the body."""

from __future__ import annotations

from hashlib import sha256

from roadstead.core.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD
from roadstead.gateway.protocols import HttpRequest


def payload_hash(request: HttpRequest) -> str:
    """The hash that the signature must cover: the body's own, or `UNSIGNED-PAYLOAD` where the signed header says so.

    A hash in the header that is not the body's leads to a mismatch, because ours is taken over the body that came.
    """
    if request.headers.get("x-amz-content-sha256") == UNSIGNED_PAYLOAD:
        return UNSIGNED_PAYLOAD
    return sha256(request.body).hexdigest() if request.body else EMPTY_SHA256
