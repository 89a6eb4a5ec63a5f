"""Instance profiles: Create, Get, List, ListForRole, AddRole, RemoveRole and Delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from roadstead.access.resource import Named, Resource
from roadstead.access.tables import roles
from roadstead.kernel.ids import unique_id
from roadstead.services.iam.entities import (
    ROLE,
    entity_arn,
    entity_resource,
    name_taken,
    require_modifiable,
)
from roadstead.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    LimitExceededException,
    NoSuchEntityException,
)
from roadstead.services.iam.listing import page_by_name
from roadstead.services.iam.quotas import check_account_quota
from roadstead.services.iam.roles import require_role, role_resources, role_view
from roadstead.services.iam.tables import instance_profiles
from roadstead.services.iam.tag_rows import add_tags, drop_tags, read_tags, request_tag_keys, tag_keys_of, tag_list
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        AddRoleToInstanceProfileRequestTypeDef,
        CreateInstanceProfileRequestTypeDef,
        DeleteInstanceProfileRequestTypeDef,
        GetInstanceProfileRequestTypeDef,
        ListInstanceProfilesForRoleRequestTypeDef,
        ListInstanceProfilesRequestTypeDef,
        RemoveRoleFromInstanceProfileRequestTypeDef,
    )

_KIND = "instance-profile"
_PASSED_TO = {"iam:PassedToService": "ec2.amazonaws.com"}


async def profile_resources(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """The instance profile that a request names, with its tags."""
    name = request["InstanceProfileName"]
    row = await _find(ctx, name)
    path = "/" if row is None else str(row.path)
    return [Resource(entity_arn(ctx.account, _KIND, path, name), tags=tag_keys_of(ctx, _KIND, name))]


async def _created(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    return [entity_arn(ctx.account, _KIND, request.get("Path", "/"), request["InstanceProfileName"])]


async def _find(ctx: Context, name: str) -> Any | None:
    columns = instance_profiles.c
    stmt = select(instance_profiles).where(columns.account == ctx.account, columns.profile_name == name)
    return (await ctx.tx.execute(stmt)).one_or_none()


async def require_profile(ctx: Context, name: str) -> Any:
    """The profile's row; raises NoSuchEntity."""
    row = await _find(ctx, name)
    if row is None:
        raise NoSuchEntityException(f"Instance Profile {name} cannot be found.")
    return row


async def profile_views(ctx: Context, rows: Sequence[Any]) -> list[dict[str, object]]:
    """The API's shape of profiles with their roles, as lists have it: without tags."""
    held = [row.role_name for row in rows if row.role_name is not None]
    found = (
        await ctx.tx.execute(select(roles).where(roles.c.account == ctx.account, roles.c.role_name.in_(held)))
    ).all()
    views = {str(role.role_name): role_view(ctx.account, role) for role in found}
    return [
        {
            "Path": row.path,
            "InstanceProfileName": row.profile_name,
            "InstanceProfileId": row.profile_id,
            "Arn": str(entity_arn(ctx.account, _KIND, row.path, row.profile_name)),
            "CreateDate": row.created_at,
            "Roles": [views[row.role_name]] if row.role_name is not None else [],
        }
        for row in rows
    ]


async def _in_full(ctx: Context, name: str) -> dict[str, object]:
    view = (await profile_views(ctx, [await require_profile(ctx, name)]))[0]
    return {**view, "Tags": tag_list(await read_tags(ctx.tx, ctx.account, _KIND, name))}


@operation("iam:CreateInstanceProfile", resources=_created, keys=request_tag_keys)
async def create_instance_profile(ctx: Context, request: CreateInstanceProfileRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html."""
    name = request["InstanceProfileName"]
    if await name_taken(ctx.tx, ctx.account, instance_profiles, instance_profiles.c.profile_name, name) is not None:
        raise EntityAlreadyExistsException(f"Instance Profile {name} already exists.")
    await check_account_quota(ctx, "InstanceProfilesPerAccount", instance_profiles)
    await ctx.tx.execute(
        insert(instance_profiles).values(
            account=ctx.account,
            profile_name=name,
            profile_id=unique_id("AIPA"),
            path=request.get("Path", "/"),
            created_at=ctx.clock.now(),
        )
    )
    await add_tags(ctx, _KIND, name, request.get("Tags"))
    return {"InstanceProfile": await _in_full(ctx, name)}


@operation("iam:GetInstanceProfile", resources=profile_resources, reads=True)
async def get_instance_profile(ctx: Context, request: GetInstanceProfileRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetInstanceProfile.html."""
    return {"InstanceProfile": await _in_full(ctx, request["InstanceProfileName"])}


@operation("iam:ListInstanceProfiles", reads=True)
async def list_instance_profiles(ctx: Context, request: ListInstanceProfilesRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html."""
    rows, more = await page_by_name(ctx, instance_profiles, instance_profiles.c.profile_name, request)
    return {"InstanceProfiles": await profile_views(ctx, rows), **more}


@operation("iam:ListInstanceProfilesForRole", resources=role_resources, reads=True)
async def list_instance_profiles_for_role(
    ctx: Context, request: ListInstanceProfilesForRoleRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfilesForRole.html."""
    name = request["RoleName"]
    await require_role(ctx, name)
    columns = instance_profiles.c
    rows, more = await page_by_name(ctx, instance_profiles, columns.profile_name, request, columns.role_name == name)
    return {"InstanceProfiles": await profile_views(ctx, rows), **more}


async def _put_role(ctx: Context, profile: str, role: str | None) -> None:
    columns = instance_profiles.c
    stmt = update(instance_profiles).where(columns.account == ctx.account, columns.profile_name == profile)
    await ctx.tx.execute(stmt.values(role_name=role))


@operation("iam:AddRoleToInstanceProfile", resources=profile_resources)
async def add_role_to_instance_profile(
    ctx: Context, request: AddRoleToInstanceProfileRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html: the role is passed to EC2."""
    name, role = request["InstanceProfileName"], request["RoleName"]
    await ctx.authorise("iam:PassRole", [await entity_resource(ctx, ROLE, role)], _PASSED_TO)
    profile = await require_profile(ctx, name)
    await require_modifiable(ctx, ROLE, role)
    if profile.role_name is not None:
        raise LimitExceededException("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    await _put_role(ctx, name, role)
    return {}


@operation("iam:RemoveRoleFromInstanceProfile", resources=profile_resources)
async def remove_role_from_instance_profile(
    ctx: Context, request: RemoveRoleFromInstanceProfileRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveRoleFromInstanceProfile.html."""
    name, role = request["InstanceProfileName"], request["RoleName"]
    profile = await require_profile(ctx, name)
    await require_modifiable(ctx, ROLE, role)
    if profile.role_name != role:
        raise NoSuchEntityException(f"Role {role} in Instance Profile {name} cannot be found.")
    await _put_role(ctx, name, None)
    return {}


@operation("iam:DeleteInstanceProfile", resources=profile_resources)
async def delete_instance_profile(ctx: Context, request: DeleteInstanceProfileRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteInstanceProfile.html."""
    name = request["InstanceProfileName"]
    profile = await require_profile(ctx, name)
    if profile.role_name is not None:
        raise DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
    columns = instance_profiles.c
    await ctx.tx.execute(delete(instance_profiles).where(columns.account == ctx.account, columns.profile_name == name))
    await drop_tags(ctx.tx, ctx.account, _KIND, name)
    return {}
