"""GetFederationToken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.resource import KeyValues, Named
from roadstead.kernel.arn import Arn
from roadstead.services.operation import Context, operation
from roadstead.services.sts.answers import opened
from roadstead.services.sts.passed import limits_of, packed_size, tag_keys, tags_of

if TYPE_CHECKING:
    from types_boto3_sts.type_defs import GetFederationTokenRequestTypeDef

DEFAULT_SECONDS = 43200


def _arn(ctx: Context, name: str) -> Arn:
    return Arn(service="sts", region="", account=ctx.account, resource=f"federated-user/{name}")


async def _federated(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    return [_arn(ctx, request["Name"])]


async def _keys(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    del ctx
    return tag_keys(tags_of(request))


@operation("sts:GetFederationToken", resources=_federated, keys=_keys, reads=True)
async def get_federation_token(ctx: Context, request: GetFederationTokenRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html.

    The federated user has what the calling user's policies and the session's policies both allow; without the latter, nothing.
    """
    tags = tags_of(request)
    if tags:
        await ctx.authorise("sts:TagSession", await _federated(ctx, request), await _keys(ctx, request))
    limits = await limits_of(ctx.tx, ctx.account, request, tags)
    user, now = ctx.principal, ctx.clock.now()
    federated = Principal(
        kind=PrincipalKind.FEDERATED_USER,
        account=ctx.account,
        arn=_arn(ctx, request["Name"]),
        identity_arn=user.identity_arn,
        user_id=f"{ctx.account}:{request['Name']}",
        access_key_id="",
        identity_id=user.unique_id,
        session_policies=limits.policies,
        session_policy_arns=limits.policy_arns,
        session_tags=limits.tags,
        issued_at=now,
        expires_at=now + timedelta(seconds=request.get("DurationSeconds", DEFAULT_SECONDS)),
    )
    return {
        **opened(ctx, federated, request),
        "FederatedUser": {"FederatedUserId": federated.user_id, "Arn": str(federated.arn)},
        **packed_size(limits),
    }
