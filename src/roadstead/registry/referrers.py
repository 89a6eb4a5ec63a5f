"""Listing referrers (OCI distribution 1.1, "Listing Referrers")."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

import msgspec

from roadstead.registry.call import Call
from roadstead.registry.errors import digest_invalid
from roadstead.registry.http import Response, json_headers
from roadstead.services.ecr.api import Referrer, is_digest, referrers_of, require_repository

_INDEX = "application/vnd.oci.image.index.v1+json"
_PAGE = 100
"""The most referrers of an answer; those with large annotations are fewer (PAGE_BYTES)."""


class _Descriptor(msgspec.Struct, rename="camel", omit_defaults=True):
    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


class _Index(msgspec.Struct, rename="camel"):
    schema_version: int
    media_type: str
    manifests: list[_Descriptor]


async def get_referrers(call: Call) -> Response:
    """GET: an index of what refers to a digest, whether or not that is here; `artifactType` filters it."""
    if not is_digest(call.argument):
        raise digest_invalid(call.argument)
    artifact_type = call.request.query("artifactType")
    after = call.request.query("last") or ""
    async with call.reading("ecr:BatchGetImage") as tx:
        await require_repository(tx, call.key)
        page = await referrers_of(tx, call.key, call.argument, artifact_type=artifact_type, after=after, limit=_PAGE)
    headers = json_headers(_INDEX.encode())
    if artifact_type is not None:
        headers.append((b"oci-filters-applied", b"artifactType"))
    if page.goes_on:
        parameters = {"last": page.referrers[-1].digest} | ({"artifactType": artifact_type} if artifact_type else {})
        link = f'<{call.base}/referrers/{call.argument}?{urlencode(parameters)}>; rel="next"'
        headers.append((b"link", link.encode()))
    index = _Index(2, _INDEX, [_describe(referrer) for referrer in page.referrers])
    return Response(HTTPStatus.OK, headers, msgspec.json.encode(index))


def _describe(referrer: Referrer) -> _Descriptor:
    return _Descriptor(
        referrer.media_type, referrer.digest, referrer.size, referrer.artifact_type, referrer.annotations or None
    )
