"""AssumeRole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from roadstead.access.principal import Principal
from roadstead.access.resource import KeyValues
from roadstead.access.sessions import role_session
from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.services.operation import Context, operation
from roadstead.services.sts.answers import opened
from roadstead.services.sts.chaining import Chain, chain
from roadstead.services.sts.mfa import mfa_shown
from roadstead.services.sts.passed import limits_of, packed_size, tag_keys
from roadstead.services.sts.roles import require_role, session_length, wanted_role

if TYPE_CHECKING:
    from types_boto3_sts.type_defs import AssumeRoleRequestTypeDef


async def _keys(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    given = chain(ctx.principal, request)
    keys: dict[str, str | Sequence[str]] = {
        "sts:RoleSessionName": request["RoleSessionName"],
        **tag_keys(given.tags, given.transitive),
    }
    if "ExternalId" in request:
        keys["sts:ExternalId"] = request["ExternalId"]
    if given.source_identity is not None:
        keys["sts:SourceIdentity"] = given.source_identity
    if isinstance(ctx.prepared, datetime):
        keys |= {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0"}
    return keys


@operation("sts:AssumeRole", resources=wanted_role, keys=_keys, before=mfa_shown, reads=True)
async def assume_role(ctx: Context, request: AssumeRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.

    Tags and a source identity, inherited ones too, are actions of their own, which the caller's policies and the role's trust policy have
    to allow.
    """
    if "ProvidedContexts" in request:
        raise NotImplementedByRoadstead(
            "The parameter ProvidedContexts of sts:AssumeRole is not implemented by Roadstead."
        )
    given = chain(ctx.principal, request)
    await authorise_passing(ctx, request, given, await _keys(ctx, request))
    role = await require_role(ctx, request)
    lasts = session_length(role, ctx.principal, request)
    limits = await limits_of(ctx.tx, role.arn.account, request, given.tags)
    now = ctx.clock.now()
    session = role_session(
        role=role.arn,
        role_id=role.role_id,
        session_name=request["RoleSessionName"],
        now=now,
        expires=now + lasts,
    )
    session = replace(
        session,
        session_policies=limits.policies,
        session_policy_arns=limits.policy_arns,
        session_tags=limits.tags,
        transitive_tag_keys=given.transitive,
        source_identity=given.source_identity,
    )
    return {**opened(ctx, session, request), **assumed(session), **packed_size(limits)}


async def authorise_passing(ctx: Context, request: Mapping[str, Any], given: Chain, keys: KeyValues) -> None:
    """Decide on what is passed to the session beside the role itself."""
    actions = [
        *(["sts:TagSession"] if given.tags else []),
        *(["sts:SetSourceIdentity"] if given.source_identity is not None else []),
    ]
    for action in actions:
        await ctx.authorise(action, await wanted_role(ctx, request), keys)


def assumed(session: Principal) -> dict[str, object]:
    """The response's members that say who the session is."""
    return {
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": str(session.arn)},
        **({"SourceIdentity": session.source_identity} if session.source_identity is not None else {}),
    }
