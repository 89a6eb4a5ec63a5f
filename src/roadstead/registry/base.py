"""The base endpoint, and how a client learns to authenticate (OCI distribution 1.1, "Determining Support"; RFC 7617)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec

from roadstead.registry.errors import Header
from roadstead.registry.http import Response, json_headers
from roadstead.registry.logins import Login
from roadstead.services.ecr.api import password_of

SERVICE = "ecr.amazonaws.com"
"""The name of private registries in challenges."""
TOKEN_PATH = "/v2/_token"
"""Where Docker's token flow gets a bearer token."""
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}", re.ASCII)


def support() -> Response:
    """GET /v2/: this is a registry, and the client is logged in."""
    return Response(HTTPStatus.OK, json_headers(), b"{}")


def challenge(scheme: str, host: str, *, public: bool = False) -> list[Header]:
    """The WWW-Authenticate headers of a 401: Basic as ECR sends it, and for clients that prefer it Docker's token flow.

    That of public registries says where tokens are.
    """
    name = host if _HOST.fullmatch(host) else "registry"
    realm = f"{scheme}://{name}{TOKEN_PATH}"
    if public:
        return [(b"www-authenticate", f'Bearer realm="{realm}",service="public.ecr.aws",scope="aws"'.encode("latin-1"))]
    basic = f'Basic realm="{scheme}://{name}/",service="{SERVICE}"'
    bearer = f'Bearer realm="{realm}",service="{SERVICE}"'
    return [(b"www-authenticate", text.encode("latin-1")) for text in (basic, bearer)]


def token(authorization: bytes, login: Login, now: float) -> Response:
    """GET of the token endpoint by a client that is logged in: a bearer token, which says who asks, as the password does.

    What it may do is decided with each request, so scopes that are asked for don't matter
    (https://distribution.github.io/distribution/spec/auth/token/).
    """
    password = password_of(authorization.decode("latin-1"))
    issued = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "token": password,
        "access_token": password,
        "expires_in": max(0, int(login.expires - now)),
        "issued_at": issued,
    }
    headers = json_headers(extra=[(b"cache-control", b"no-store")])
    return Response(HTTPStatus.OK, headers, msgspec.json.encode(body))
