"""The request that goes to an upstream of S3: addressed as the upstream wants it, its body checked on the way."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from hashlib import md5, sha256

from roadstead.core.forwarding.chunks import SIGNED, SIGNED_WITH_TRAILER, UNSIGNED_WITH_TRAILER, Chain, ChunkSigner
from roadstead.core.forwarding.s3.places import Place
from roadstead.core.sigv4 import UNSIGNED_PAYLOAD, SignableRequest
from roadstead.gateway.forwarding.admission import Admitted
from roadstead.gateway.forwarding.bodies import Incoming
from roadstead.gateway.forwarding.client import UpstreamRequest
from roadstead.gateway.forwarding.credentials import UpstreamKeys
from roadstead.gateway.forwarding.request import encoded_query
from roadstead.gateway.forwarding.s3_call import HASH, S3Call
from roadstead.gateway.forwarding.signing import chain_of, passed_headers, signed_anew
from roadstead.gateway.forwarding.upstreams import Upstream

SERVICE = "s3"
_UNCHECKED = frozenset({UNSIGNED_PAYLOAD, UNSIGNED_WITH_TRAILER})


def upstream_request(
    call: S3Call,
    admitted: Admitted,
    keys: UpstreamKeys,
    body: Incoming,
    now: datetime,
    document: bytes | None = None,
) -> UpstreamRequest:
    """The signed request. With a `document`, which was read before, that is its body; otherwise the client's, as it comes."""
    region = admitted.upstream.region(admitted.region)
    host, path = _address(admitted.upstream, admitted.region, call.place)
    headers = {**passed_headers(call.headers), "host": host, HASH: call.payload}
    if document is not None:
        headers["content-length"] = str(len(document))
    query = encoded_query(call.query.items())
    signed = SignableRequest(call.head.method, path, query, headers, call.payload, encoded_once=True)
    headers = signed_anew(signed, keys, region=region, service=SERVICE, now=now)
    content = document if document is not None else _content(call, admitted, keys, region, headers, body)
    return UpstreamRequest(call.head.method, path, signed.query, headers, content)


def rewritten(call: S3Call, document: bytes) -> S3Call:
    """The call with another document: everything that its sender said of the bytes of the old one is said of this one.

    Its answer is read and changed here, so it must not come compressed.
    """
    headers = {
        name: value
        for name, value in call.headers.items()
        if not name.startswith(("x-amz-checksum-", "x-amz-sdk-checksum")) and name != "accept-encoding"
    }
    headers["content-md5"] = _base64_md5(document)
    return S3Call(
        call.head,
        call.claim,
        call.signed,
        call.place,
        call.route,
        call.query,
        headers,
        sha256(document).hexdigest(),
    )


def _base64_md5(document: bytes) -> str:
    return b64encode(md5(document, usedforsecurity=False).digest()).decode()


def _address(upstream: Upstream, region: str, place: Place) -> tuple[str, str]:
    _, host = upstream.base(region)
    if upstream.settings.addressing == "virtual" and place.bucket is not None:
        return f"{place.bucket}.{host}", place.path.removeprefix(f"/{place.bucket}") or "/"
    return host, place.path


def _content(
    call: S3Call,
    admitted: Admitted,
    keys: UpstreamKeys,
    region: str,
    headers: Mapping[str, str],
    body: Incoming,
) -> AsyncIterator[bytes] | None:
    if not call.head.length:
        return None
    if call.payload in _UNCHECKED:
        return body.plain()
    if call.payload not in (SIGNED, SIGNED_WITH_TRAILER):
        return body.hashed(call.payload)
    claim = call.claim
    incoming = Chain(admitted.key, claim.amz_date, claim.scope, claim.signature)
    key, scope, signature = chain_of(headers, keys, region=region, service=SERVICE)
    outgoing = Chain(key, headers["x-amz-date"], scope, signature)
    return body.signed_anew(ChunkSigner(incoming, outgoing, trailer=call.payload == SIGNED_WITH_TRAILER))
