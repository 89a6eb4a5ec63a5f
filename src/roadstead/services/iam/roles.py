"""Roles: CreateRole, GetRole, ListRoles, DeleteRole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import delete, insert, select

from roadstead.access.revisions import touch_account
from roadstead.access.tables import inline_policies, roles
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import unique_id
from roadstead.services.iam.entities import checked_policy, entity_arn
from roadstead.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    NoSuchEntityException,
)
from roadstead.services.iam.listing import page_by_name
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateRoleRequestTypeDef,
        DeleteRoleRequestTypeDef,
        GetRoleRequestTypeDef,
        ListRolesRequestTypeDef,
    )

_DEFAULT_SESSION = 3600


async def role_resources(ctx: Context, request: dict[str, str]) -> Sequence[Arn | str]:
    """The role that the request names."""
    name = request["RoleName"]
    stmt = select(roles.c.path).where(roles.c.account == ctx.account, roles.c.role_name == name)
    path = request.get("Path") or str((await ctx.tx.execute(stmt)).scalar() or "/")
    return [entity_arn(ctx.account, "role", path, name)]


def role_view(account: str, row: Any) -> dict[str, object]:
    """The API's shape of a role's row; the trust policy is URL-encoded, as IAM answers it."""
    return {
        "Path": row.path,
        "RoleName": row.role_name,
        "RoleId": row.role_id,
        "Arn": str(entity_arn(account, "role", row.path, row.role_name)),
        "CreateDate": row.created_at,
        "AssumeRolePolicyDocument": quote(row.trust_policy, safe="-_.~"),
        "MaxSessionDuration": row.max_session_duration,
        **({"Description": row.description} if row.description else {}),
    }


async def require_role(ctx: Context, name: str) -> Any:
    """The role's row; raises NoSuchEntity."""
    stmt = select(roles).where(roles.c.account == ctx.account, roles.c.role_name == name)
    row = (await ctx.tx.execute(stmt)).one_or_none()
    if row is None:
        raise NoSuchEntityException(f"The role with name {name} cannot be found.")
    return row


@operation("iam:CreateRole", resources=role_resources)
async def create_role(ctx: Context, request: CreateRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html."""
    name = request["RoleName"]
    checked_policy(request["AssumeRolePolicyDocument"], trust=True)
    stmt = select(roles.c.role_name).where(roles.c.account == ctx.account, roles.c.role_name == name)
    if (await ctx.tx.execute(stmt)).one_or_none() is not None:
        raise EntityAlreadyExistsException(f"Role with name {name} already exists.")
    await ctx.tx.execute(
        insert(roles).values(
            account=ctx.account,
            role_name=name,
            role_id=unique_id("AROA"),
            path=request.get("Path", "/"),
            trust_policy=request["AssumeRolePolicyDocument"],
            description=request.get("Description", ""),
            max_session_duration=request.get("MaxSessionDuration", _DEFAULT_SESSION),
            created_at=ctx.clock.now(),
        )
    )
    await touch_account(ctx.tx, ctx.account)
    return {"Role": role_view(ctx.account, await require_role(ctx, name))}


@operation("iam:GetRole", resources=role_resources, reads=True)
async def get_role(ctx: Context, request: GetRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html."""
    return {"Role": role_view(ctx.account, await require_role(ctx, request["RoleName"]))}


@operation("iam:ListRoles", reads=True)
async def list_roles(ctx: Context, request: ListRolesRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html."""
    rows, more = await page_by_name(
        ctx, roles, roles.c.role_name, request.get("PathPrefix"), request.get("Marker"), request.get("MaxItems")
    )
    return {"Roles": [role_view(ctx.account, row) for row in rows], **more}


@operation("iam:DeleteRole", resources=role_resources)
async def delete_role(ctx: Context, request: DeleteRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html."""
    name = request["RoleName"]
    await require_role(ctx, name)
    policies = select(inline_policies.c.policy_name).where(
        inline_policies.c.account == ctx.account,
        inline_policies.c.entity_kind == "role",
        inline_policies.c.entity_name == name,
    )
    if (await ctx.tx.execute(policies)).first() is not None:
        raise DeleteConflictException("Cannot delete entity, must delete policies first.")
    await ctx.tx.execute(delete(roles).where(roles.c.account == ctx.account, roles.c.role_name == name))
    await touch_account(ctx.tx, ctx.account)
    return {}
