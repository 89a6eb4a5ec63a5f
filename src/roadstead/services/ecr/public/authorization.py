"""Signing in to public registries: a token of their own, presented as Bearer or as a password; and one for those who have no name.

Source: https://docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from roadstead.access.sealing import Sealer
from roadstead.services.ecr.authorization import LIFETIME, NotARegistryToken, RegistryLogin, issue_token, open_token
from roadstead.services.ecr.keys import PUBLIC
from roadstead.services.ecr.public.requests import Request, public_operation
from roadstead.services.ecr.pulls import PullRecorder
from roadstead.services.ecr.requests import Response
from roadstead.services.operation import Context

_PURPOSE = "ecr-public-registry"
_ANONYMOUS = "ecr-public-anonymous"
_ANONYMOUS_LIFETIME = timedelta(hours=1)


class _Nobody(msgspec.Struct, frozen=True):
    """The content of an anonymous token: nothing but that we gave it."""


@public_operation("GetAuthorizationToken", reads=True)
async def get_authorization_token(ctx: Context, request: Request) -> Response:
    """A token for public registries, good for 12 hours; needs sts:GetServiceBearerToken as well (API reference)."""
    del request
    await ctx.authorise("sts:GetServiceBearerToken", ["*"], {"sts:AWSServiceName": "ecr-public.amazonaws.com"})
    expires = ctx.clock.now() + LIFETIME
    token = issue_token(ctx, _PURPOSE, PUBLIC, expires)
    ctx.component(PullRecorder).activity.logged_in(ctx.account, PUBLIC)
    return {"authorizationData": {"authorizationToken": token, "expiresAt": expires}}


def anonymous_token(sealer: Sealer, now: datetime) -> tuple[str, timedelta]:
    """A token for a client that must have one and has no name, and for how long it is good."""
    return sealer.seal(_ANONYMOUS, _Nobody(), now + _ANONYMOUS_LIFETIME), _ANONYMOUS_LIFETIME


def open_public_login(sealer: Sealer, authorization: str) -> RegistryLogin | None:
    """Who an Authorization header belongs to: Bearer or Basic with a token of GetAuthorizationToken, None for an anonymous token.

    Raises NotARegistryToken, InvalidSeal, ExpiredSeal.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in ("bearer", "basic"):
        raise NotARegistryToken(scheme)
    try:
        return open_token(sealer, _PURPOSE, token)
    except NotARegistryToken:
        if scheme.lower() == "basic":
            raise
    sealer.open(_ANONYMOUS, token, _Nobody)
    return None
