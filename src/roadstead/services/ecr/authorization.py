"""The registry's password: a sealed token that says who asked for it (API reference: GetAuthorizationToken)."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.sealing import Sealer
from roadstead.kernel.arn import Arn
from roadstead.services.ecr.requests import Response
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import GetAuthorizationTokenRequestTypeDef

LIFETIME = timedelta(hours=12)
USER = "AWS"
_PURPOSE = "ecr-registry"


class _Password(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    account: str
    arn: str
    identity_arn: str
    user_id: str
    access_key_id: str
    region: str
    policies: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    expires: float


class NotARegistryToken(Exception):
    """The Authorization header holds no user name and password of the form that GetAuthorizationToken gives."""


class RegistryLogin(msgspec.Struct, frozen=True):
    """Who logged in to a registry, for which region the token was given out, and until when (seconds since the epoch) it is good."""

    principal: Principal
    region: str
    expires: float


@operation("ecr:GetAuthorizationToken", reads=True)
async def get_authorization_token(ctx: Context, request: GetAuthorizationTokenRequestTypeDef) -> Response:
    """A password for `docker login`, good for 12 hours at every registry that the caller may use (API reference)."""
    expires = ctx.clock.now() + LIFETIME
    principal = ctx.principal
    password = ctx.component(Sealer).seal(
        _PURPOSE,
        _Password(
            kind=principal.kind.value,
            account=principal.account,
            arn=str(principal.arn),
            identity_arn=str(principal.identity_arn),
            user_id=principal.user_id,
            access_key_id=principal.access_key_id,
            region=ctx.region,
            policies=principal.session_policies,
            tags=principal.session_tags,
            expires=expires.timestamp(),
        ),
        expires,
    )
    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    registries = request.get("registryIds") or [ctx.account]
    data = [
        {
            "authorizationToken": token,
            "expiresAt": expires,
            "proxyEndpoint": f"http://{ctx.deployment.registry_host(registry, ctx.region)}",
        }
        for registry in registries
    ]
    return {"authorizationData": data}


def open_login(sealer: Sealer, authorization: str) -> RegistryLogin:
    """Who an `Authorization: Basic …` header belongs to. Raises NotARegistryToken, InvalidSeal, ExpiredSeal."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise NotARegistryToken(scheme)
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotARegistryToken("not base64") from error
    if user != USER or not colon:
        raise NotARegistryToken("another user name")
    opened = sealer.open(_PURPOSE, password, _Password)
    principal = Principal(
        kind=PrincipalKind(opened.kind),
        account=opened.account,
        arn=Arn.parse(opened.arn),
        identity_arn=Arn.parse(opened.identity_arn),
        user_id=opened.user_id,
        access_key_id=opened.access_key_id,
        session_policies=opened.policies,
        session_tags=opened.tags,
    )
    return RegistryLogin(principal, opened.region, opened.expires)
