"""Roles: CreateRole, GetRole, ListRoles, UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy, DeleteRole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from roadstead.access.resource import KeyValues
from roadstead.access.revisions import touch_account
from roadstead.access.tables import roles
from roadstead.kernel.ids import unique_id
from roadstead.services.iam.boundaries import boundary_view, request_boundary, require_boundary
from roadstead.services.iam.entities import (
    ROLE,
    SERVICE_ROLE_PATH,
    check_new_name,
    check_without_policies,
    checked_policy,
    created,
    encoded_document,
    entity_arn,
    named,
    require_entity,
    require_modifiable,
)
from roadstead.services.iam.errors import (
    DeleteConflictException,
    InvalidInputException,
    LimitExceededException,
)
from roadstead.services.iam.listing import page_by_name
from roadstead.services.iam.quotas import check_account_quota, policy_size, quota
from roadstead.services.iam.tables import action_uses, instance_profiles
from roadstead.services.iam.tag_rows import add_tags, drop_tags, read_tags, request_tag_keys, tag_list
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateRoleRequestTypeDef,
        DeleteRoleRequestTypeDef,
        GetRoleRequestTypeDef,
        ListRolesRequestTypeDef,
        UpdateAssumeRolePolicyRequestTypeDef,
        UpdateRoleDescriptionRequestTypeDef,
        UpdateRoleRequestTypeDef,
    )

DEFAULT_SESSION = 3600
"""Seconds that a session of a role may last unless it says otherwise."""

role_resources = named(ROLE)
"""The role that the request names."""

bounded_role = named(ROLE, boundary=True)
"""The role that the request names, with the key of its permissions boundary."""


async def _creation_keys(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    return {**await request_tag_keys(ctx, request), **await request_boundary(ctx, request)}


def role_view(account: str, row: Any) -> dict[str, object]:
    """The API's shape of a role's row, as lists have it; the trust policy is URL-encoded, as IAM answers it."""
    return {
        "Path": row.path,
        "RoleName": row.role_name,
        "RoleId": row.role_id,
        "Arn": str(entity_arn(account, "role", row.path, row.role_name)),
        "CreateDate": row.created_at,
        "AssumeRolePolicyDocument": encoded_document(row.trust_policy),
        "MaxSessionDuration": row.max_session_duration,
        **({"Description": row.description} if row.description else {}),
    }


async def role_in_full(ctx: Context, name: str) -> dict[str, object]:
    """A role with its boundary, its tags and its last use; raises NoSuchEntity."""
    row = await require_role(ctx, name)
    tags = await read_tags(ctx.tx, ctx.account, "role", name)
    return {
        **role_view(ctx.account, row),
        **boundary_view(row),
        **({"Tags": tag_list(tags)} if tags else {}),
        "RoleLastUsed": await role_last_used(ctx, name),
    }


async def role_last_used(ctx: Context, name: str) -> dict[str, object]:
    """When and where a session of the role last did something; empty for a role that never did."""
    stmt = select(action_uses.c.used_at, action_uses.c.region).where(
        action_uses.c.account == ctx.account, action_uses.c.entity_kind == "role", action_uses.c.entity_name == name
    )
    last = (await ctx.tx.execute(stmt.order_by(action_uses.c.used_at.desc()).limit(1))).first()
    return {} if last is None else {"LastUsedDate": last.used_at, "Region": last.region}


async def require_role(ctx: Context, name: str) -> Any:
    """The role's row; raises NoSuchEntity."""
    return await require_entity(ctx, ROLE, name)


def _check_trust(ctx: Context, document: str) -> None:
    checked_policy(document, trust=True)
    limit = quota(ctx.deployment, "ACLSizePerRole")
    if policy_size(document) > limit:
        raise LimitExceededException(f"Cannot exceed quota for ACLSizePerRole: {limit}")


@operation("iam:CreateRole", resources=created(ROLE), keys=_creation_keys)
async def create_role(ctx: Context, request: CreateRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html."""
    name, path = request["RoleName"], request.get("Path", "/")
    if path.startswith(SERVICE_ROLE_PATH):
        raise InvalidInputException(f"Invalid path {path}: it is reserved for service-linked roles.")
    _check_trust(ctx, request["AssumeRolePolicyDocument"])
    await check_new_name(ctx, ROLE, name)
    await check_account_quota(ctx, "RolesPerAccount", roles)
    boundary = request.get("PermissionsBoundary")
    if boundary is not None:
        await require_boundary(ctx, boundary)
    await ctx.tx.execute(
        insert(roles).values(
            account=ctx.account,
            role_name=name,
            role_id=unique_id("AROA"),
            path=path,
            trust_policy=request["AssumeRolePolicyDocument"],
            description=request.get("Description", ""),
            max_session_duration=request.get("MaxSessionDuration", DEFAULT_SESSION),
            permissions_boundary=boundary,
            created_at=ctx.clock.now(),
        )
    )
    await add_tags(ctx, "role", name, request.get("Tags"))
    await touch_account(ctx.tx, ctx.account)
    made = await role_in_full(ctx, name)
    del made["RoleLastUsed"]
    return {"Role": made}


@operation("iam:GetRole", resources=bounded_role, reads=True)
async def get_role(ctx: Context, request: GetRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html."""
    return {"Role": await role_in_full(ctx, request["RoleName"])}


@operation("iam:ListRoles", reads=True)
async def list_roles(ctx: Context, request: ListRolesRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html: without boundaries, tags and last use."""
    rows, more = await page_by_name(ctx, roles, roles.c.role_name, request)
    return {"Roles": [role_view(ctx.account, row) for row in rows], **more}


async def _change(ctx: Context, name: str, **values: object) -> None:
    await require_modifiable(ctx, ROLE, name)
    stmt = update(roles).where(roles.c.account == ctx.account, roles.c.role_name == name)
    await ctx.tx.execute(stmt.values(**values))
    await touch_account(ctx.tx, ctx.account)


@operation("iam:UpdateRole", resources=bounded_role)
async def update_role(ctx: Context, request: UpdateRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html: without a duration, the default of an hour is applied."""
    values: dict[str, object] = {"max_session_duration": request.get("MaxSessionDuration", DEFAULT_SESSION)}
    if "Description" in request:
        values["description"] = request["Description"]
    await _change(ctx, request["RoleName"], **values)
    return {}


@operation("iam:UpdateRoleDescription", resources=bounded_role)
async def update_role_description(ctx: Context, request: UpdateRoleDescriptionRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRoleDescription.html."""
    name = request["RoleName"]
    await _change(ctx, name, description=request["Description"])
    return {"Role": await role_in_full(ctx, name)}


@operation("iam:UpdateAssumeRolePolicy", resources=bounded_role)
async def update_assume_role_policy(ctx: Context, request: UpdateAssumeRolePolicyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html."""
    _check_trust(ctx, request["PolicyDocument"])
    await _change(ctx, request["RoleName"], trust_policy=request["PolicyDocument"])
    return {}


@operation("iam:DeleteRole", resources=bounded_role)
async def delete_role(ctx: Context, request: DeleteRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html."""
    name = request["RoleName"]
    await require_modifiable(ctx, ROLE, name)
    in_profiles = select(instance_profiles.c.profile_name).where(
        instance_profiles.c.account == ctx.account, instance_profiles.c.role_name == name
    )
    if (await ctx.tx.execute(in_profiles)).first() is not None:
        raise DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
    await check_without_policies(ctx, "role", name)
    await remove_role(ctx, name)
    return {}


async def remove_role(ctx: Context, name: str) -> None:
    """Take a role away with its tags and the record of its use."""
    await ctx.tx.execute(delete(roles).where(roles.c.account == ctx.account, roles.c.role_name == name))
    await ctx.tx.execute(
        delete(action_uses).where(
            action_uses.c.account == ctx.account,
            action_uses.c.entity_kind == "role",
            action_uses.c.entity_name == name,
        )
    )
    await drop_tags(ctx.tx, ctx.account, "role", name)
    await touch_account(ctx.tx, ctx.account)
