"""Signed headers for a request to the API."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlsplit

from roadstead.agent.client.credentials import Credentials
from roadstead.core.sigv4 import EMPTY_SHA256, SignableRequest, sign


def signed_headers(
    method: str,
    url: str,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    now: datetime | None = None,
) -> dict[str, str]:
    """`headers` (lower-case names) and those that sign the request. `url` is as on the wire."""
    parts = urlsplit(url)
    own = {"host": parts.netloc, **(headers or {})}
    request = SignableRequest(
        method=method,
        path=parts.path or "/",
        query=parts.query,
        headers=own,
        payload_hash=sha256(body).hexdigest() if body else EMPTY_SHA256,
    )
    added = sign(
        request,
        access_key_id=credentials.access_key_id,
        secret=credentials.secret_access_key,
        region=region,
        service=service,
        now=now or datetime.now(UTC),
        session_token=credentials.session_token,
    )
    return {**(headers or {}), **added}
