"""What goes to the upstream: the caller's headers without whatever names the caller, and a signature of the upstream's own keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from roadstead.core.sigv4 import Scope, SignableRequest, sign, signing_key
from roadstead.gateway.forwarding.credentials import UpstreamKeys

_PASSED = frozenset(
    {
        "accept",
        "accept-encoding",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-type",
        "expires",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "origin",
        "range",
        "smithy-protocol",
        "user-agent",
    }
)
_OF_THE_CALLER = frozenset({"x-amz-date", "x-amz-security-token"})
_SIGNED = frozenset({"host", "content-type", "content-md5"})


def passed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that an operation can have: no other reaches an upstream."""
    return {
        name: value
        for name, value in headers.items()
        if name in _PASSED or (name.startswith(("x-amz-", "x-amzn-")) and name not in _OF_THE_CALLER)
    }


def signed_anew(
    request: SignableRequest, keys: UpstreamKeys, *, region: str, service: str, now: datetime
) -> dict[str, str]:
    """All headers of the request, with the upstream's signature over its host and what AWS defines."""
    covered = {n: v for n, v in request.headers.items() if n in _SIGNED or n.startswith(("x-amz-", "x-amzn-"))}
    added = sign(
        SignableRequest(
            request.method, request.path, request.query, covered, request.payload_hash, request.encoded_once
        ),
        access_key_id=keys.access_key_id,
        secret=keys.secret,
        region=region,
        service=service,
        now=now,
        session_token=keys.token,
    )
    return {**request.headers, **added}


def chain_of(headers: Mapping[str, str], keys: UpstreamKeys, *, region: str, service: str) -> tuple[bytes, Scope, str]:
    """What the signatures of a signed body go on from: the key, its scope, and the request's own signature."""
    scope = Scope(headers["x-amz-date"][:8], region, service)
    key = signing_key(keys.secret, scope.date, region, service)
    return key, scope, headers["authorization"].rpartition("Signature=")[2]
