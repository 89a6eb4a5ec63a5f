"""GetAccessKeyInfo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadstead.kernel.ids import account_of_key
from roadstead.services.operation import Context, operation
from roadstead.services.sts.errors import ValidationError

if TYPE_CHECKING:
    from types_boto3_sts.type_defs import GetAccessKeyInfoRequestTypeDef

_KINDS = ("AKIA", "ASIA")


@operation("sts:GetAccessKeyInfo", reads=True)
async def get_access_key_info(ctx: Context, request: GetAccessKeyInfoRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html: whose key it is, be it in use or not.

    An id names its account itself, so nothing tells whether there is such a key.
    """
    del ctx
    key_id = request["AccessKeyId"]
    account = account_of_key(key_id) if key_id.startswith(_KINDS) else None
    if account is None:
        raise ValidationError(f"Invalid AccessKeyId: {key_id}")
    return {"Account": account}
