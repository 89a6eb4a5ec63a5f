"""Access keys: CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.revisions import touch_account
from roadstead.access.tables import access_keys
from roadstead.kernel.ids import secret_key, unique_id
from roadstead.services.iam.errors import LimitExceededException, NoSuchEntityException
from roadstead.services.iam.users import caller_or, require_user, user_resources
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateAccessKeyRequestTypeDef,
        DeleteAccessKeyRequestTypeDef,
        ListAccessKeysRequestTypeDef,
        UpdateAccessKeyRequestTypeDef,
    )

_KEYS_A_USER = 2


@operation("iam:CreateAccessKey", resources=user_resources)
async def create_access_key(ctx: Context, request: CreateAccessKeyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html."""
    name = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, name)
    stmt = select(func.count()).where(access_keys.c.account == ctx.account, access_keys.c.user_name == name)
    if int((await ctx.tx.execute(stmt)).scalar() or 0) >= _KEYS_A_USER:
        raise LimitExceededException(f"Cannot exceed quota for AccessKeysPerUser: {_KEYS_A_USER}")
    key_id, secret, now = unique_id("AKIA"), secret_key(), ctx.clock.now()
    master = ctx.component(Gatekeeper).master
    await ctx.tx.execute(
        insert(access_keys).values(
            access_key_id=key_id,
            account=ctx.account,
            user_name=name,
            secret=master.encrypt(secret.encode(), f"access-key:{key_id}"),
            status="Active",
            created_at=now,
        )
    )
    await touch_account(ctx.tx, ctx.account)
    return {
        "AccessKey": {
            "UserName": name,
            "AccessKeyId": key_id,
            "Status": "Active",
            "SecretAccessKey": secret,
            "CreateDate": now,
        }
    }


@operation("iam:ListAccessKeys", resources=user_resources, reads=True)
async def list_access_keys(ctx: Context, request: ListAccessKeysRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html."""
    name = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, name)
    stmt = select(access_keys).where(access_keys.c.account == ctx.account, access_keys.c.user_name == name)
    rows = (await ctx.tx.execute(stmt.order_by(access_keys.c.access_key_id))).all()
    return {
        "AccessKeyMetadata": [
            {"UserName": name, "AccessKeyId": r.access_key_id, "Status": r.status, "CreateDate": r.created_at}
            for r in rows
        ],
        "IsTruncated": False,
    }


@operation("iam:UpdateAccessKey", resources=user_resources)
async def update_access_key(ctx: Context, request: UpdateAccessKeyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html."""
    name = await caller_or(ctx, request.get("UserName"))
    stmt = update(access_keys).where(
        access_keys.c.account == ctx.account,
        access_keys.c.user_name == name,
        access_keys.c.access_key_id == request["AccessKeyId"],
    )
    if (await ctx.tx.execute(stmt.values(status=request["Status"]))).rowcount == 0:
        raise NoSuchEntityException(f"The Access Key with id {request['AccessKeyId']} cannot be found.")
    await touch_account(ctx.tx, ctx.account)
    return {}


@operation("iam:DeleteAccessKey", resources=user_resources)
async def delete_access_key(ctx: Context, request: DeleteAccessKeyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccessKey.html."""
    name = await caller_or(ctx, request.get("UserName"))
    stmt = delete(access_keys).where(
        access_keys.c.account == ctx.account,
        access_keys.c.user_name == name,
        access_keys.c.access_key_id == request["AccessKeyId"],
    )
    if (await ctx.tx.execute(stmt)).rowcount == 0:
        raise NoSuchEntityException(f"The Access Key with id {request['AccessKeyId']} cannot be found.")
    await touch_account(ctx.tx, ctx.account)
    return {}
