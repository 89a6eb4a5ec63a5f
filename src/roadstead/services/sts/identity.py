"""GetCallerIdentity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef


@operation("sts:GetCallerIdentity", reads=True, authorised=False)
async def get_caller_identity(ctx: Context, request: dict[str, object]) -> GetCallerIdentityResponseTypeDef:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: allowed to every signed caller."""
    del request
    principal = ctx.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": str(principal.arn)}  # type: ignore[typeddict-item]
