"""The kinds of credentials that users can't have here: their lists are empty, what would make one is refused by name (decision 0011).

ListSSHPublicKeys, ListSigningCertificates, ListServiceSpecificCredentials: whoever deletes a user asks for these first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from roadstead.access.resource import Named
from roadstead.services.iam.entities import entity_arn
from roadstead.services.iam.users import caller_or, require_user, user_resources
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        ListServiceSpecificCredentialsRequestTypeDef,
        ListSigningCertificatesRequestTypeDef,
        ListSSHPublicKeysRequestTypeDef,
    )


async def _user_or_all(ctx: Context, request: ListServiceSpecificCredentialsRequestTypeDef) -> Sequence[Named]:
    if request.get("AllUsers"):
        return [entity_arn(ctx.account, "user", "/", "*")]
    return await user_resources(ctx, request)


async def _require_user(ctx: Context, request: Mapping[str, object]) -> None:
    name = request.get("UserName")
    await require_user(ctx, await caller_or(ctx, str(name) if name else None))


@operation("iam:ListSSHPublicKeys", resources=user_resources, reads=True)
async def list_ssh_public_keys(ctx: Context, request: ListSSHPublicKeysRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListSSHPublicKeys.html."""
    await _require_user(ctx, request)
    return {"SSHPublicKeys": [], "IsTruncated": False}


@operation("iam:ListSigningCertificates", resources=user_resources, reads=True)
async def list_signing_certificates(ctx: Context, request: ListSigningCertificatesRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListSigningCertificates.html."""
    await _require_user(ctx, request)
    return {"Certificates": [], "IsTruncated": False}


@operation("iam:ListServiceSpecificCredentials", resources=_user_or_all, reads=True)
async def list_service_specific_credentials(
    ctx: Context, request: ListServiceSpecificCredentialsRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListServiceSpecificCredentials.html: of one user, or of all."""
    if not request.get("AllUsers"):
        await _require_user(ctx, request)
    return {"ServiceSpecificCredentials": [], "IsTruncated": False}
