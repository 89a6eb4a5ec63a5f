"""The role that a request wants to be, as a decision sees it, and for how long it may be it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.resource import Named, Resource
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.api import Role, role_by_arn, role_resource
from roadstead.services.operation import Context
from roadstead.services.sts.errors import ValidationError

DEFAULT_SECONDS = 3600
CHAINED_SECONDS = 3600
"""A session that was opened by another session of a role lasts an hour at most."""


async def wanted_role(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """The role with its trust policy; one that is not there has none, so that nobody learns which roles there are."""
    arn = role_arn(request["RoleArn"])
    role = await role_by_arn(ctx.tx, arn)
    return [role_resource(role) if role is not None else Resource(arn, trust=True)]


async def require_role(ctx: Context, request: Mapping[str, Any]) -> Role:
    """The role of a request that was allowed, which means that it is there."""
    role = await role_by_arn(ctx.tx, role_arn(request["RoleArn"]))
    if role is None:
        raise RuntimeError("a role that is not there was allowed")
    return role


def role_arn(text: str) -> Arn:
    """The ARN of a role; raises ValidationError."""
    try:
        arn = Arn.parse(text)
    except InvalidArn as error:
        raise ValidationError(f"{text} is invalid") from error
    if arn.service != "iam" or not arn.resource.startswith("role/"):
        raise ValidationError(f"{text} is invalid")
    return arn


def session_length(role: Role, caller: Principal, request: Mapping[str, Any]) -> timedelta:
    """How long the session lasts; raises ValidationError where it is asked to last longer than it may."""
    seconds: int = request.get("DurationSeconds") or DEFAULT_SECONDS
    if caller.kind is PrincipalKind.ASSUMED_ROLE and seconds > CHAINED_SECONDS:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    if seconds > role.max_session_duration:
        raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return timedelta(seconds=seconds)
