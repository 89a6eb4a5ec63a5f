"""The base endpoint, and how a client learns to authenticate (OCI distribution 1.1, "Determining Support"; RFC 7617)."""

from __future__ import annotations

import re
from http import HTTPStatus

from roadstead.registry.http import Response, json_headers

_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}", re.ASCII)


def support() -> Response:
    """GET /v2/: this is a registry, and the client is logged in."""
    return Response(HTTPStatus.OK, json_headers(), b"{}")


def challenge(scheme: str, host: str) -> str:
    """The WWW-Authenticate header of a 401, as ECR sends it."""
    name = host if _HOST.fullmatch(host) else "registry"
    return f'Basic realm="{scheme}://{name}/",service="ecr.amazonaws.com"'
