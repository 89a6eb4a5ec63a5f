"""The documents by which others verify tokens of GetWebIdentityToken: discovery (OpenID Connect Discovery 1.0) and keys (RFC 7517)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
import structlog

from roadstead.services.iam.api import ISSUERS, is_outbound_issuer
from roadstead.services.sts.api import ALGORITHMS, TokenKeys
from roadstead.store import Store, StoreError, UnstorableValue

DISCOVERY = ".well-known/openid-configuration"
KEYS = ".well-known/jwks.json"
_CLAIMS = ["sub", "iss", "aud", "exp", "iat", "jti", "https://sts.amazonaws.com/"]
_log = structlog.get_logger("gateway")


class IssuerDocuments:
    """An ASGI application for the paths below `ISSUERS`; `endpoint` is the deployment's."""

    def __init__(self, store: Store, keys: TokenKeys, endpoint: str) -> None:
        self._store = store
        self._keys = keys
        self._endpoint = endpoint

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one GET."""
        del receive
        try:
            found = await self._document(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
            status = 200 if found is not None else 404
        except UnstorableValue:  # no issuer has such a name
            found, status = None, 404
        except StoreError as error:
            _log.error("store failed", path=scope["path"], error=str(error))
            found, status = None, 503
        body = msgspec.json.encode(found) if found is not None else b""
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if found is not None:
            headers.append((b"cache-control", b"max-age=300"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _document(self, path: str) -> dict[str, object] | None:
        issuer_id, _, name = path.removeprefix(ISSUERS).partition("/")
        if name not in (DISCOVERY, KEYS):
            return None
        async with self._store.snapshot() as tx:
            if not await is_outbound_issuer(tx, issuer_id):
                return None
        if name == KEYS:
            return {"keys": [key.public for key in await self._keys.published()]}
        issuer = f"{self._endpoint}{ISSUERS}{issuer_id}"
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/{KEYS}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(ALGORITHMS),
            "claims_supported": _CLAIMS,
        }
