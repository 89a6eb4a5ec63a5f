"""Who is in which group: AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from roadstead.access.revisions import touch_account
from roadstead.access.tables import group_members, groups
from roadstead.services.iam.entities import GROUP, named, require_entity
from roadstead.services.iam.errors import NoSuchEntityException
from roadstead.services.iam.groups import group_view
from roadstead.services.iam.listing import page_by_name
from roadstead.services.iam.quotas import check_quota
from roadstead.services.iam.users import require_user, user_resources
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        AddUserToGroupRequestTypeDef,
        ListGroupsForUserRequestTypeDef,
        RemoveUserFromGroupRequestTypeDef,
    )


@operation("iam:AddUserToGroup", resources=named(GROUP))
async def add_user_to_group(ctx: Context, request: AddUserToGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddUserToGroup.html: a second time is no error."""
    group, user = request["GroupName"], request["UserName"]
    await require_entity(ctx, GROUP, group)
    await require_user(ctx, user)
    of_user = (group_members.c.account == ctx.account, group_members.c.user_name == user)
    there = select(group_members.c.user_name).where(*of_user, group_members.c.group_name == group)
    if (await ctx.tx.execute(there)).first() is not None:
        return {}
    count = (await ctx.tx.execute(select(func.count()).select_from(group_members).where(*of_user))).scalar()
    check_quota(ctx, "GroupsPerUser", int(count or 0))
    await ctx.tx.execute(insert(group_members).values(account=ctx.account, user_name=user, group_name=group))
    await touch_account(ctx.tx, ctx.account)
    return {}


@operation("iam:RemoveUserFromGroup", resources=named(GROUP))
async def remove_user_from_group(ctx: Context, request: RemoveUserFromGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveUserFromGroup.html."""
    group, user = request["GroupName"], request["UserName"]
    await require_entity(ctx, GROUP, group)
    await require_user(ctx, user)
    stmt = delete(group_members).where(
        group_members.c.account == ctx.account,
        group_members.c.user_name == user,
        group_members.c.group_name == group,
    )
    if (await ctx.tx.execute(stmt)).rowcount == 0:
        raise NoSuchEntityException(f"User {user} is not in group {group}.")
    await touch_account(ctx.tx, ctx.account)
    return {}


@operation("iam:ListGroupsForUser", resources=user_resources, reads=True)
async def list_groups_for_user(ctx: Context, request: ListGroupsForUserRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListGroupsForUser.html."""
    user = request["UserName"]
    await require_user(ctx, user)
    joined = select(group_members.c.group_name).where(
        group_members.c.account == ctx.account, group_members.c.user_name == user
    )
    rows, more = await page_by_name(ctx, groups, groups.c.group_name, request, groups.c.group_name.in_(joined))
    return {"Groups": [group_view(ctx.account, row) for row in rows], **more}
