"""Access keys: CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.resource import Named
from roadstead.access.revisions import touch_account
from roadstead.access.tables import access_keys
from roadstead.kernel.ids import access_key_id, secret_key
from roadstead.services.iam.entities import USER, entity_arn, entity_resource
from roadstead.services.iam.errors import InvalidInputException, NoSuchEntityException
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.quotas import check_quota
from roadstead.services.iam.tables import access_key_uses
from roadstead.services.iam.users import caller_or, require_user, user_resources
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateAccessKeyRequestTypeDef,
        DeleteAccessKeyRequestTypeDef,
        GetAccessKeyLastUsedRequestTypeDef,
        ListAccessKeysRequestTypeDef,
        UpdateAccessKeyRequestTypeDef,
    )


async def _owner(ctx: Context, request: GetAccessKeyLastUsedRequestTypeDef) -> Sequence[Named]:
    """The user whose key it is; all users, for a key that is not of this account."""
    row = await _find(ctx, request["AccessKeyId"])
    if row is None:
        return [entity_arn(ctx.account, "user", "/", "*")]
    return [await entity_resource(ctx, USER, str(row.user_name))]


async def _find(ctx: Context, key_id: str) -> Any | None:
    stmt = select(access_keys).where(access_keys.c.access_key_id == key_id, access_keys.c.account == ctx.account)
    return (await ctx.tx.execute(stmt)).one_or_none()


def _missing(key_id: str) -> NoSuchEntityException:
    return NoSuchEntityException(f"The Access Key with id {key_id} cannot be found.")


@operation("iam:CreateAccessKey", resources=user_resources)
async def create_access_key(ctx: Context, request: CreateAccessKeyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html."""
    name = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, name)
    stmt = select(func.count()).where(access_keys.c.account == ctx.account, access_keys.c.user_name == name)
    check_quota(ctx, "AccessKeysPerUser", int((await ctx.tx.execute(stmt)).scalar() or 0))
    key_id, secret, now = access_key_id("AKIA", ctx.account), secret_key(), ctx.clock.now()
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
    rows = (await ctx.tx.execute(stmt)).all()
    page, more = page_of(rows, lambda row: str(row.access_key_id), request)
    return {
        "AccessKeyMetadata": [
            {"UserName": name, "AccessKeyId": r.access_key_id, "Status": r.status, "CreateDate": r.created_at}
            for r in page
        ],
        **more,
    }


@operation("iam:UpdateAccessKey", resources=user_resources)
async def update_access_key(ctx: Context, request: UpdateAccessKeyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html: an inactive key opens nothing."""
    name = await caller_or(ctx, request.get("UserName"))
    if request["Status"] not in ("Active", "Inactive"):
        raise InvalidInputException(f"The status {request['Status']} is not for callers to set.")
    stmt = update(access_keys).where(
        access_keys.c.account == ctx.account,
        access_keys.c.user_name == name,
        access_keys.c.access_key_id == request["AccessKeyId"],
    )
    if (await ctx.tx.execute(stmt.values(status=request["Status"]))).rowcount == 0:
        raise _missing(request["AccessKeyId"])
    await touch_account(ctx.tx, ctx.account)
    return {}


@operation("iam:DeleteAccessKey", resources=user_resources)
async def delete_access_key(ctx: Context, request: DeleteAccessKeyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccessKey.html."""
    name, key_id = await caller_or(ctx, request.get("UserName")), request["AccessKeyId"]
    stmt = delete(access_keys).where(
        access_keys.c.account == ctx.account, access_keys.c.user_name == name, access_keys.c.access_key_id == key_id
    )
    if (await ctx.tx.execute(stmt)).rowcount == 0:
        raise _missing(key_id)
    await ctx.tx.execute(delete(access_key_uses).where(access_key_uses.c.access_key_id == key_id))
    await touch_account(ctx.tx, ctx.account)
    return {}


@operation("iam:GetAccessKeyLastUsed", resources=_owner, reads=True)
async def get_access_key_last_used(ctx: Context, request: GetAccessKeyLastUsedRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html: N/A until the key was used."""
    key_id = request["AccessKeyId"]
    row = await _find(ctx, key_id)
    if row is None:
        raise _missing(key_id)
    use = (await ctx.tx.execute(select(access_key_uses).where(access_key_uses.c.access_key_id == key_id))).one_or_none()
    used: dict[str, object] = {"ServiceName": "N/A", "Region": "N/A"}
    if use is not None:
        used = {"LastUsedDate": use.used_at, "ServiceName": use.service, "Region": use.region}
    return {"UserName": row.user_name, "AccessKeyLastUsed": used}
