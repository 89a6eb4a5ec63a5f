"""GetSessionToken."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from roadstead.services.operation import Context, operation
from roadstead.services.sts.answers import opened
from roadstead.services.sts.mfa import mfa_shown

if TYPE_CHECKING:
    from types_boto3_sts.type_defs import GetSessionTokenRequestTypeDef

DEFAULT_SECONDS = 43200


@operation("sts:GetSessionToken", before=mfa_shown, reads=True, authorised=False)
async def get_session_token(ctx: Context, request: GetSessionTokenRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html: policies have no say; long-term keys only."""
    now = ctx.clock.now()
    session = replace(
        ctx.principal,
        issued_at=now,
        expires_at=now + timedelta(seconds=request.get("DurationSeconds", DEFAULT_SECONDS)),
        mfa_at=ctx.prepared if isinstance(ctx.prepared, datetime) else None,
    )
    return opened(ctx, session, request)
