"""Listing tags (OCI distribution 1.1, "Listing Tags")."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

import msgspec

from roadstead.registry.call import Call
from roadstead.registry.errors import RegistryError
from roadstead.registry.http import Response, json_headers
from roadstead.services.ecr.api import list_tags, require_repository

_PAGE = 1000
"""The most tags of an answer; `n` asks for fewer."""


async def get_tags(call: Call) -> Response:
    """GET: tags in lexical order, after `last`, at most `n`."""
    limit = page_size(call.request.query("n"))
    after = call.request.query("last") or ""
    async with call.reading("ecr:ListImages") as tx:
        await require_repository(tx, call.key)
        found = list(await list_tags(tx, call.key, after=after, limit=limit + 1)) if limit else []
    tags = found[:limit]
    headers = json_headers()
    if len(found) > limit:
        query = urlencode({"n": limit, "last": tags[-1]})
        headers.append((b"link", f'<{call.base}/tags/list?{query}>; rel="next"'.encode()))
    return Response(HTTPStatus.OK, headers, msgspec.json.encode({"name": call.name, "tags": tags}))


def page_size(text: str | None) -> int:
    """The value of `n`, at most 1000. Raises RegistryError (400) for what is no number."""
    if text is None:
        return _PAGE
    if not (text.isascii() and text.isdigit()):
        raise RegistryError(HTTPStatus.BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "n is a number from 0 on")
    return min(int(text[:9]), _PAGE)
