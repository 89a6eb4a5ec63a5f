"""Listing repositories, which the specification left out and ECR kept (Docker Registry HTTP API V2, "Catalog")."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

import msgspec

from roadstead.registry.call import Call
from roadstead.registry.http import Response, json_headers
from roadstead.registry.tags import page_size
from roadstead.services.ecr.api import list_repositories


async def get_catalog(call: Call) -> Response:
    """GET: the registry's repositories in lexical order, after `last`, at most `n`; who may describe all of them sees them."""
    limit = page_size(call.request.query("n"))
    after = call.request.query("last") or ""
    async with call.reading("ecr:DescribeRepositories") as tx:
        found = list(await list_repositories(tx, call.key, after=after, limit=limit + 1)) if limit else []
    names = found[:limit]
    headers = json_headers()
    if len(found) > limit:
        query = urlencode({"n": limit, "last": names[-1]})
        headers.append((b"link", f'</v2/_catalog?{query}>; rel="next"'.encode()))
    return Response(HTTPStatus.OK, headers, msgspec.json.encode({"repositories": names}))
