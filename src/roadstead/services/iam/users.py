"""Users: CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, insert, select

from roadstead.access.principal import PrincipalKind
from roadstead.access.resource import KeyValues, Named
from roadstead.access.revisions import touch_account
from roadstead.access.tables import access_keys, group_members, users
from roadstead.kernel.ids import unique_id
from roadstead.services.iam.boundaries import boundary_view, request_boundary, require_boundary
from roadstead.services.iam.entities import (
    USER,
    check_new_name,
    check_without_policies,
    created,
    entity_arn,
    entity_resource,
    require_entity,
)
from roadstead.services.iam.errors import (
    DeleteConflictException,
    NoSuchEntityException,
)
from roadstead.services.iam.listing import page_by_name
from roadstead.services.iam.quotas import check_account_quota
from roadstead.services.iam.renaming import both_names, rename
from roadstead.services.iam.tables import action_uses, login_profiles, mfa_devices
from roadstead.services.iam.tag_rows import add_tags, drop_tags, read_tags, request_tag_keys, tag_list
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateUserRequestTypeDef,
        DeleteUserRequestTypeDef,
        GetUserRequestTypeDef,
        ListUsersRequestTypeDef,
        UpdateUserRequestTypeDef,
    )


_BELONGINGS = (access_keys, group_members, login_profiles, mfa_devices)
"""Tables with the name of the user whose they are."""


async def user_resources(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """The user that the request names; the caller itself without a name."""
    name = request.get("UserName")
    if name is None:
        if ctx.principal.kind is not PrincipalKind.USER:
            return [ctx.principal.identity_arn]
        name = await caller_or(ctx, None)
    return [await entity_resource(ctx, USER, name)]


async def _creation_keys(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    return {**await request_tag_keys(ctx, request), **await request_boundary(ctx, request)}


def user_view(account: str, row: Any) -> dict[str, object]:
    """The API's shape of a user's row, as lists have it."""
    return {
        "Path": row.path,
        "UserName": row.user_name,
        "UserId": row.user_id,
        "Arn": str(entity_arn(account, "user", row.path, row.user_name)),
        "CreateDate": row.created_at,
    }


async def user_in_full(ctx: Context, name: str) -> dict[str, object]:
    """A user with its boundary and tags; raises NoSuchEntity."""
    row = await require_user(ctx, name)
    tags = await read_tags(ctx.tx, ctx.account, "user", name)
    return {
        **user_view(ctx.account, row),
        **boundary_view(row),
        **({"Tags": tag_list(tags)} if tags else {}),
    }


async def require_user(ctx: Context, name: str) -> Any:
    """The user's row; raises NoSuchEntity."""
    return await require_entity(ctx, USER, name)


async def caller_or(ctx: Context, name: str | None) -> str:
    """The user's name, or the caller's own where the request leaves it out."""
    if name is not None:
        return name
    if ctx.principal.kind is not PrincipalKind.USER:
        raise NoSuchEntityException("Must specify userName when calling with non-User credentials")
    return ctx.principal.identity_arn.resource.rsplit("/", 1)[-1]


@operation("iam:CreateUser", resources=created(USER), keys=_creation_keys)
async def create_user(ctx: Context, request: CreateUserRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html."""
    name = request["UserName"]
    await check_new_name(ctx, USER, name)
    await check_account_quota(ctx, "UsersPerAccount", users)
    boundary = request.get("PermissionsBoundary")
    if boundary is not None:
        await require_boundary(ctx, boundary)
    await ctx.tx.execute(
        insert(users).values(
            account=ctx.account,
            user_name=name,
            user_id=unique_id("AIDA"),
            path=request.get("Path", "/"),
            permissions_boundary=boundary,
            created_at=ctx.clock.now(),
        )
    )
    await add_tags(ctx, "user", name, request.get("Tags"))
    await touch_account(ctx.tx, ctx.account)
    return {"User": await user_in_full(ctx, name)}


@operation("iam:GetUser", resources=user_resources, reads=True)
async def get_user(ctx: Context, request: GetUserRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetUser.html."""
    return {"User": await user_in_full(ctx, await caller_or(ctx, request.get("UserName")))}


@operation("iam:ListUsers", reads=True)
async def list_users(ctx: Context, request: ListUsersRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html: without boundaries and tags."""
    rows, more = await page_by_name(ctx, users, users.c.user_name, request)
    return {"Users": [user_view(ctx.account, row) for row in rows], **more}


@operation("iam:UpdateUser", resources=both_names(USER))
async def update_user(ctx: Context, request: UpdateUserRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html: what belongs to the user goes with the name."""
    await rename(ctx, USER, request, _BELONGINGS)
    return {}


@operation("iam:DeleteUser", resources=user_resources)
async def delete_user(ctx: Context, request: DeleteUserRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html."""
    name = request["UserName"]
    await require_user(ctx, name)
    await _check_nothing_left(ctx, name)
    await ctx.tx.execute(delete(users).where(users.c.account == ctx.account, users.c.user_name == name))
    await ctx.tx.execute(
        delete(action_uses).where(
            action_uses.c.account == ctx.account,
            action_uses.c.entity_kind == "user",
            action_uses.c.entity_name == name,
        )
    )
    await drop_tags(ctx.tx, ctx.account, "user", name)
    await touch_account(ctx.tx, ctx.account)
    return {}


async def _check_nothing_left(ctx: Context, name: str) -> None:
    """Raise DeleteConflict for the first thing that the user still has."""
    by_user: tuple[tuple[Table, str], ...] = (
        (access_keys, "must delete access keys first."),
        (login_profiles, "must delete login profile first."),
        (mfa_devices, "must delete MFA device first."),
        (group_members, "must remove users from group first."),
    )
    for table, what in by_user:
        stmt = select(table.c.user_name).where(table.c.account == ctx.account, table.c.user_name == name)
        if (await ctx.tx.execute(stmt)).first() is not None:
            raise DeleteConflictException(f"Cannot delete entity, {what}")
    await check_without_policies(ctx, "user", name)
