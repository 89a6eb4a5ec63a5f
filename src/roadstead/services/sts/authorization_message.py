"""DecodeAuthorizationMessage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadstead.access.authorization_message import decoded_message
from roadstead.access.sealing import Sealer
from roadstead.kernel.errors import ServiceError
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_sts.type_defs import (
        DecodeAuthorizationMessageRequestTypeDef,
        DecodeAuthorizationMessageResponseTypeDef,
    )


class InvalidAuthorizationMessageException(ServiceError):
    """The message was not given out by this deployment to this account, or too long ago."""


@operation("sts:DecodeAuthorizationMessage", reads=True)
async def decode_authorization_message(
    ctx: Context, request: DecodeAuthorizationMessageRequestTypeDef
) -> DecodeAuthorizationMessageResponseTypeDef:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html: of the caller's own account only."""
    decoded = decoded_message(ctx.component(Sealer), request["EncodedMessage"], ctx.account)
    if decoded is None:
        raise InvalidAuthorizationMessageException("Message is not valid")
    return {"DecodedMessage": decoded}  # type: ignore[typeddict-item]
