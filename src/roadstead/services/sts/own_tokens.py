"""GetWebIdentityToken: a signed statement of who the caller is, for services outside.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc import jwt

from roadstead.access.principal import PrincipalKind
from roadstead.access.request_keys import all_tags
from roadstead.access.resource import KeyValues
from roadstead.services.iam.api import identity_tags, outbound_issuer
from roadstead.services.operation import Context, Outside, operation
from roadstead.services.sts.errors import (
    JWTPayloadSizeExceededException,
    OutboundWebIdentityFederationDisabledException,
    SessionDurationEscalationException,
    ValidationError,
)
from roadstead.services.sts.passed import tag_keys, tags_of
from roadstead.services.sts.token_keys import ALGORITHMS, TokenKey, TokenKeys

if TYPE_CHECKING:
    from types_boto3_sts.type_defs import GetWebIdentityTokenRequestTypeDef

DEFAULT_SECONDS = 300
MAX_PAYLOAD = 8192
"""Bytes of a token's claims."""
_NAMESPACE = "https://sts.amazonaws.com/"


async def _signing_key(outside: Outside, request: Mapping[str, Any]) -> TokenKey:
    """The key for the token, which may have to be made, once it is known that the caller may have one."""
    algorithm = request["SigningAlgorithm"]
    if algorithm not in ALGORITHMS:
        text = f"Member must satisfy enum value set: [{', '.join(ALGORITHMS)}]"
        raise ValidationError(
            f"1 validation error detected: Value '{algorithm}' at 'signingAlgorithm' failed to satisfy constraint: {text}"
        )
    await outside.authorised()
    return await outside.component(TokenKeys).signing(algorithm)


async def _keys(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    del ctx
    own: dict[str, str | Sequence[str]] = {
        "sts:IdentityTokenAudience": list(request["Audience"]),
        "sts:SigningAlgorithm": request["SigningAlgorithm"],
        "sts:DurationSeconds": str(request.get("DurationSeconds", DEFAULT_SECONDS)),
    }
    return {**own, **tag_keys(tags_of(request))}


@operation("sts:GetWebIdentityToken", keys=_keys, before=_signing_key, reads=True)
async def get_web_identity_token(ctx: Context, request: GetWebIdentityTokenRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html."""
    tags = tags_of(request)
    if tags:
        await ctx.authorise("sts:TagGetWebIdentityToken", ("*",), tag_keys(tags))
    issuer = await outbound_issuer(ctx.tx, ctx.account)
    if issuer is None or not issuer.enabled:
        raise OutboundWebIdentityFederationDisabledException(
            "Outbound web identity federation is not enabled for this account."
        )
    if not isinstance(ctx.prepared, TokenKey):
        raise TypeError("there is no key for the token")
    now = ctx.clock.now()
    expires = now + timedelta(seconds=request.get("DurationSeconds", DEFAULT_SECONDS))
    if ctx.principal.expires_at is not None and expires > ctx.principal.expires_at:
        raise SessionDurationEscalationException("The token would outlive the session that it is requested with.")
    claims = await _claims(ctx, request, tags, issuer.url(ctx.deployment), now, expires)
    size = len(msgspec.json.encode(claims))
    if size > MAX_PAYLOAD:
        raise JWTPayloadSizeExceededException(f"The token's payload has {size} bytes; {MAX_PAYLOAD} are allowed.")
    key = ctx.prepared
    header = {"alg": key.algorithm, "kid": key.key_id, "typ": "JWT"}
    return {"WebIdentityToken": jwt.encode(header, claims, key.key, [key.algorithm]), "Expiration": expires}


async def _claims(
    ctx: Context, request: Mapping[str, Any], tags: Mapping[str, str], issuer: str, now: datetime, expires: datetime
) -> dict[str, Any]:
    principal, audience = ctx.principal, list(request["Audience"])
    of_role = principal.kind is PrincipalKind.ASSUMED_ROLE
    own_tags = all_tags(principal, await identity_tags(ctx.tx, principal.identity_arn))
    session_end = principal.expires_at
    context = {
        "aws_account": principal.account,
        "source_region": ctx.region,
        "principal_tags": own_tags,
        "request_tags": dict(tags),
        "original_session_exp": session_end.strftime("%Y-%m-%dT%H:%M:%SZ") if of_role and session_end else None,
        "federated_provider": principal.federated_provider,
        "source_identity": principal.source_identity,
    }
    return {
        "iss": issuer,
        "aud": audience[0] if len(audience) == 1 else audience,
        "sub": str(principal.identity_arn if of_role else principal.arn),
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
        "jti": str(uuid.uuid4()),
        _NAMESPACE: {name: value for name, value in context.items() if value},
    }
