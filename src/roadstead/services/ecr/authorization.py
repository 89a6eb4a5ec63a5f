"""The registry's password: a sealed token that says who asked for it (API reference: GetAuthorizationToken)."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from roadstead.access.principal import Principal
from roadstead.access.principal_record import PrincipalRecord
from roadstead.access.sealing import Sealer
from roadstead.services.ecr.pulls import PullRecorder
from roadstead.services.ecr.requests import Response, registry_resource
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import GetAuthorizationTokenRequestTypeDef

LIFETIME = timedelta(hours=12)
USER = "AWS"
_PURPOSE = "ecr-registry"


class _Password(msgspec.Struct, frozen=True, kw_only=True):
    principal: PrincipalRecord
    region: str
    expires: float


class NotARegistryToken(Exception):
    """The Authorization header holds no user name and password of the form that GetAuthorizationToken gives."""


class RegistryLogin(msgspec.Struct, frozen=True):
    """Who logged in to a registry, for which region the token was given out, and until when (seconds since the epoch) it is good."""

    principal: Principal
    region: str
    expires: float


@operation("ecr:GetAuthorizationToken", resources=registry_resource, reads=True)
async def get_authorization_token(ctx: Context, request: GetAuthorizationTokenRequestTypeDef) -> Response:
    """A password for `docker login`, good for 12 hours at every registry that the caller may use (API reference).

    `proxyEndpoint` is where the caller's own registry is reached. Registries that are asked for by `registryIds` have AWS's names, which
    mean this deployment too: Amazon's credential helper and ECS agent ask so, and compare the answer with such names.
    """
    expires = ctx.clock.now() + LIFETIME
    token = issue_token(ctx, _PURPOSE, ctx.region, expires)
    ctx.component(PullRecorder).activity.logged_in(ctx.account, ctx.region)
    named = [f"https://{registry}.dkr.ecr.{ctx.region}.amazonaws.com" for registry in request.get("registryIds") or []]
    endpoints = named or [f"http://{ctx.deployment.registry_host(ctx.account, ctx.region)}"]
    data = [{"authorizationToken": token, "expiresAt": expires, "proxyEndpoint": endpoint} for endpoint in endpoints]
    return {"authorizationData": data}


def issue_token(ctx: Context, purpose: str, region: str, expires: datetime) -> str:
    """User name and password of the caller for registries of a region, as an `authorizationToken`."""
    held = _Password(principal=PrincipalRecord.of(ctx.principal), region=region, expires=expires.timestamp())
    password = ctx.component(Sealer).seal(purpose, held, expires)
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


def open_login(sealer: Sealer, authorization: str) -> RegistryLogin:
    """Who an `Authorization: Basic …` or `Bearer …` header belongs to. Raises NotARegistryToken, InvalidSeal, ExpiredSeal."""
    return _opened(sealer, _PURPOSE, password_of(authorization))


def password_of(authorization: str) -> str:
    """The password in a header; it is the bearer token of Docker's token flow too. Raises NotARegistryToken."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        raise NotARegistryToken(scheme)
    return _password(credentials)


def open_token(sealer: Sealer, purpose: str, token: str) -> RegistryLogin:
    """Who an `authorizationToken` was given to. Raises NotARegistryToken, InvalidSeal, ExpiredSeal."""
    return _opened(sealer, purpose, _password(token))


def _password(token: str) -> str:
    try:
        user, colon, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotARegistryToken("not base64") from error
    if user != USER or not colon:
        raise NotARegistryToken("another user name")
    return password


def _opened(sealer: Sealer, purpose: str, password: str) -> RegistryLogin:
    opened = sealer.open(purpose, password, _Password)
    return RegistryLogin(opened.principal.principal(), opened.region, opened.expires)
