"""What the operations that open sessions answer alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadstead.access.principal import Principal
from roadstead.access.sealing import Sealer
from roadstead.access.sessions import SessionCredentials, issue_session
from roadstead.services.operation import Context

TOKEN_LIMIT = 4096
"""Characters of a token that count as all of the space; the packed limits keep every token below."""


def opened(ctx: Context, principal: Principal, request: Mapping[str, Any]) -> dict[str, object]:
    """Credentials with which their holder is `principal`, and how large their token is."""
    minimum: int = request.get("MinimumSessionTokenSize") or 0
    issued = issue_session(ctx.component(Sealer), principal, minimum_size=minimum)
    size = len(issued.session_token)
    return {
        "Credentials": credentials_view(issued),
        "SessionTokenSize": size,
        "SessionTokenUtilization": min(100, -(-size * 100 // TOKEN_LIMIT)),
    }


def credentials_view(issued: SessionCredentials) -> dict[str, object]:
    """The API's shape of credentials."""
    return {
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret_access_key,
        "SessionToken": issued.session_token,
        "Expiration": issued.expiration,
    }
