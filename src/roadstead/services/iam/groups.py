"""Groups: CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from roadstead.access.revisions import touch_account
from roadstead.access.tables import group_members, groups, users
from roadstead.kernel.ids import unique_id
from roadstead.services.iam.entities import (
    GROUP,
    check_new_name,
    check_without_policies,
    created,
    entity_arn,
    named,
    require_entity,
)
from roadstead.services.iam.errors import DeleteConflictException
from roadstead.services.iam.listing import page_by_name
from roadstead.services.iam.quotas import check_account_quota
from roadstead.services.iam.renaming import both_names, rename
from roadstead.services.iam.users import user_view
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateGroupRequestTypeDef,
        DeleteGroupRequestTypeDef,
        GetGroupRequestTypeDef,
        ListGroupsRequestTypeDef,
        UpdateGroupRequestTypeDef,
    )


def group_view(account: str, row: Any) -> dict[str, object]:
    """The API's shape of a group's row."""
    return {
        "Path": row.path,
        "GroupName": row.group_name,
        "GroupId": row.group_id,
        "Arn": str(entity_arn(account, "group", row.path, row.group_name)),
        "CreateDate": row.created_at,
    }


@operation("iam:CreateGroup", resources=created(GROUP))
async def create_group(ctx: Context, request: CreateGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html."""
    name = request["GroupName"]
    await check_new_name(ctx, GROUP, name)
    await check_account_quota(ctx, "GroupsPerAccount", groups)
    await ctx.tx.execute(
        insert(groups).values(
            account=ctx.account,
            group_name=name,
            group_id=unique_id("AGPA"),
            path=request.get("Path", "/"),
            created_at=ctx.clock.now(),
        )
    )
    await touch_account(ctx.tx, ctx.account)
    return {"Group": group_view(ctx.account, await require_entity(ctx, GROUP, name))}


@operation("iam:GetGroup", resources=named(GROUP), reads=True)
async def get_group(ctx: Context, request: GetGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetGroup.html: the group and a page of its users."""
    name = request["GroupName"]
    row = await require_entity(ctx, GROUP, name)
    members = select(group_members.c.user_name).where(
        group_members.c.account == ctx.account, group_members.c.group_name == name
    )
    found, more = await page_by_name(ctx, users, users.c.user_name, request, users.c.user_name.in_(members))
    return {"Group": group_view(ctx.account, row), "Users": [user_view(ctx.account, user) for user in found], **more}


@operation("iam:ListGroups", reads=True)
async def list_groups(ctx: Context, request: ListGroupsRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListGroups.html."""
    rows, more = await page_by_name(ctx, groups, groups.c.group_name, request)
    return {"Groups": [group_view(ctx.account, row) for row in rows], **more}


@operation("iam:UpdateGroup", resources=both_names(GROUP))
async def update_group(ctx: Context, request: UpdateGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateGroup.html: what belongs to the group goes with the name."""
    await rename(ctx, GROUP, request, (group_members,))
    return {}


@operation("iam:DeleteGroup", resources=named(GROUP))
async def delete_group(ctx: Context, request: DeleteGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteGroup.html."""
    name = request["GroupName"]
    await require_entity(ctx, GROUP, name)
    members = select(group_members.c.user_name).where(
        group_members.c.account == ctx.account, group_members.c.group_name == name
    )
    if (await ctx.tx.execute(members)).first() is not None:
        raise DeleteConflictException("Cannot delete entity, must remove users from group first.")
    await check_without_policies(ctx, "group", name)
    await ctx.tx.execute(delete(groups).where(groups.c.account == ctx.account, groups.c.group_name == name))
    await touch_account(ctx.tx, ctx.account)
    return {}
