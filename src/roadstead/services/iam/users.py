"""Users: CreateUser, GetUser, ListUsers, DeleteUser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from roadstead.access.principal import PrincipalKind
from roadstead.access.revisions import touch_account
from roadstead.access.tables import access_keys, inline_policies, users
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import unique_id
from roadstead.services.iam.entities import entity_arn
from roadstead.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    NoSuchEntityException,
)
from roadstead.services.iam.listing import page_by_name
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateUserRequestTypeDef,
        DeleteUserRequestTypeDef,
        GetUserRequestTypeDef,
        ListUsersRequestTypeDef,
    )


async def user_resources(ctx: Context, request: dict[str, str]) -> Sequence[Arn | str]:
    """The user that the request names; the caller itself without a name."""
    name = request.get("UserName")
    if name is None:
        return [ctx.principal.identity_arn]
    path = request.get("Path") or await _path_of(ctx, name)
    return [entity_arn(ctx.account, "user", path, name)]


async def _path_of(ctx: Context, name: str) -> str:
    stmt = select(users.c.path).where(users.c.account == ctx.account, users.c.user_name == name)
    return str((await ctx.tx.execute(stmt)).scalar() or "/")


def user_view(account: str, row: Any) -> dict[str, object]:
    """The API's shape of a user's row."""
    return {
        "Path": row.path,
        "UserName": row.user_name,
        "UserId": row.user_id,
        "Arn": str(entity_arn(account, "user", row.path, row.user_name)),
        "CreateDate": row.created_at,
    }


async def require_user(ctx: Context, name: str) -> Any:
    """The user's row; raises NoSuchEntity."""
    stmt = select(users).where(users.c.account == ctx.account, users.c.user_name == name)
    row = (await ctx.tx.execute(stmt)).one_or_none()
    if row is None:
        raise NoSuchEntityException(f"The user with name {name} cannot be found.")
    return row


async def caller_or(ctx: Context, name: str | None) -> str:
    """The user's name, or the caller's own where the request leaves it out."""
    if name is not None:
        return name
    if ctx.principal.kind is not PrincipalKind.USER:
        raise NoSuchEntityException("Must specify userName when calling with non-User credentials")
    return ctx.principal.identity_arn.resource.rsplit("/", 1)[-1]


@operation("iam:CreateUser", resources=user_resources)
async def create_user(ctx: Context, request: CreateUserRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html."""
    name = request["UserName"]
    stmt = select(users.c.user_name).where(users.c.account == ctx.account, users.c.user_name == name)
    if (await ctx.tx.execute(stmt)).one_or_none() is not None:
        raise EntityAlreadyExistsException(f"User with name {name} already exists.")
    await ctx.tx.execute(
        insert(users).values(
            account=ctx.account,
            user_name=name,
            user_id=unique_id("AIDA"),
            path=request.get("Path", "/"),
            created_at=ctx.clock.now(),
        )
    )
    await touch_account(ctx.tx, ctx.account)
    return {"User": user_view(ctx.account, await require_user(ctx, name))}


@operation("iam:GetUser", resources=user_resources, reads=True)
async def get_user(ctx: Context, request: GetUserRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetUser.html."""
    name = await caller_or(ctx, request.get("UserName"))
    return {"User": user_view(ctx.account, await require_user(ctx, name))}


@operation("iam:ListUsers", reads=True)
async def list_users(ctx: Context, request: ListUsersRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html."""
    rows, more = await page_by_name(
        ctx, users, users.c.user_name, request.get("PathPrefix"), request.get("Marker"), request.get("MaxItems")
    )
    return {"Users": [user_view(ctx.account, row) for row in rows], **more}


@operation("iam:DeleteUser", resources=user_resources)
async def delete_user(ctx: Context, request: DeleteUserRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html."""
    name = request["UserName"]
    await require_user(ctx, name)
    keys = select(access_keys.c.access_key_id).where(
        access_keys.c.account == ctx.account, access_keys.c.user_name == name
    )
    if (await ctx.tx.execute(keys)).first() is not None:
        raise DeleteConflictException("Cannot delete entity, must delete access keys first.")
    policies = select(inline_policies.c.policy_name).where(
        inline_policies.c.account == ctx.account,
        inline_policies.c.entity_kind == "user",
        inline_policies.c.entity_name == name,
    )
    if (await ctx.tx.execute(policies)).first() is not None:
        raise DeleteConflictException("Cannot delete entity, must delete policies first.")
    await ctx.tx.execute(delete(users).where(users.c.account == ctx.account, users.c.user_name == name))
    await touch_account(ctx.tx, ctx.account)
    return {}
