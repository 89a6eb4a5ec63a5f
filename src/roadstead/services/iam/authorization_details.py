"""GetAccountAuthorizationDetails: every user, group, role and policy of the account with all that says what they may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from roadstead.access.aws_managed import aws_managed_policies
from roadstead.access.tables import (
    attached_policies,
    group_members,
    groups,
    inline_policies,
    managed_policies,
    managed_policy_versions,
    roles,
    users,
)
from roadstead.services.iam.attachments import attached_view
from roadstead.services.iam.boundaries import boundary_view
from roadstead.services.iam.entities import encoded_document
from roadstead.services.iam.groups import group_view
from roadstead.services.iam.instance_profiles import profile_views
from roadstead.services.iam.listing import page_size
from roadstead.services.iam.policy_arns import (
    ManagedPolicy,
    aws_policy,
    customer_policy,
    policy_view,
    read_usage,
    version_id,
)
from roadstead.services.iam.roles import role_last_used, role_view
from roadstead.services.iam.tables import instance_profiles
from roadstead.services.iam.tag_rows import read_all_tags, tag_list
from roadstead.services.iam.users import user_view
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import GetAccountAuthorizationDetailsRequestTypeDef

Entry = tuple[str, dict[str, object]]
"""Something's name, and its view."""
Reader = Callable[[Context, str, int], Awaitable[list[Entry]]]
"""Reads so many of one kind after a name."""


@operation("iam:GetAccountAuthorizationDetails", reads=True)
async def get_account_authorization_details(
    ctx: Context, request: GetAccountAuthorizationDetailsRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html.

    The kinds follow one another; the marker names the kind and the last of it. Of AWS's policies, those in use are shown.
    """
    size = page_size(request)
    kinds = [kind for kind in _READERS if kind in (request.get("Filter") or _READERS)]
    kind, _, after = str(request.get("Marker") or "").partition(" ")
    if kind in kinds:
        kinds = kinds[kinds.index(kind) :]
    answer: dict[str, list[object]] = {member: [] for member, _ in _READERS.values()}
    taken, last = 0, ""
    for each in kinds:
        member, read = _READERS[each]
        for name, view in await read(ctx, after if each == kind else "", size - taken + 1):
            if taken == size:
                return {**answer, "IsTruncated": True, "Marker": last}
            answer[member].append(view)
            taken, last = taken + 1, f"{each} {name}"
    return {**answer, "IsTruncated": False}


async def _users(ctx: Context, after: str, most: int) -> list[Entry]:
    rows = await _next(ctx, users, users.c.user_name, after, most)
    names = [str(row.user_name) for row in rows]
    inline, attached = await _policies(ctx, "user", names)
    tags = await read_all_tags(ctx.tx, ctx.account, "user", names)
    stmt = select(group_members).where(group_members.c.account == ctx.account, group_members.c.user_name.in_(names))
    joined: dict[str, list[str]] = {}
    for row in (await ctx.tx.execute(stmt.order_by(group_members.c.group_name))).all():
        joined.setdefault(str(row.user_name), []).append(str(row.group_name))
    return [
        (
            name,
            {
                **user_view(ctx.account, row),
                **boundary_view(row),
                "UserPolicyList": inline.get(name, []),
                "GroupList": joined.get(name, []),
                "AttachedManagedPolicies": attached.get(name, []),
                "Tags": tag_list(tags.get(name, {})),
            },
        )
        for name, row in zip(names, rows, strict=True)
    ]


async def _groups(ctx: Context, after: str, most: int) -> list[Entry]:
    rows = await _next(ctx, groups, groups.c.group_name, after, most)
    names = [str(row.group_name) for row in rows]
    inline, attached = await _policies(ctx, "group", names)
    return [
        (
            name,
            {
                **group_view(ctx.account, row),
                "GroupPolicyList": inline.get(name, []),
                "AttachedManagedPolicies": attached.get(name, []),
            },
        )
        for name, row in zip(names, rows, strict=True)
    ]


async def _roles(ctx: Context, after: str, most: int) -> list[Entry]:
    rows = await _next(ctx, roles, roles.c.role_name, after, most)
    names = [str(row.role_name) for row in rows]
    inline, attached = await _policies(ctx, "role", names)
    tags = await read_all_tags(ctx.tx, ctx.account, "role", names)
    stmt = select(instance_profiles).where(
        instance_profiles.c.account == ctx.account, instance_profiles.c.role_name.in_(names)
    )
    held = (await ctx.tx.execute(stmt)).all()
    profiles: dict[str, list[object]] = {}
    for row, view in zip(held, await profile_views(ctx, held), strict=True):
        profiles.setdefault(str(row.role_name), []).append(view)
    found: list[Entry] = []
    for name, row in zip(names, rows, strict=True):
        view = role_view(ctx.account, row)
        for member in ("MaxSessionDuration", "Description"):
            view.pop(member, None)
        more = {
            **boundary_view(row),
            "InstanceProfileList": profiles.get(name, []),
            "RolePolicyList": inline.get(name, []),
            "AttachedManagedPolicies": attached.get(name, []),
            "Tags": tag_list(tags.get(name, {})),
            "RoleLastUsed": await role_last_used(ctx, name),
        }
        found.append((name, {**view, **more}))
    return found


async def _own_policies(ctx: Context, after: str, most: int) -> list[Entry]:
    usage = await read_usage(ctx)
    rows = await _next(ctx, managed_policies, managed_policies.c.policy_name, after, most)
    names = [str(row.policy_name) for row in rows]
    columns = managed_policy_versions.c
    stmt = select(managed_policy_versions).where(columns.account == ctx.account, columns.policy_name.in_(names))
    versions: dict[str, list[Any]] = {}
    for version in (await ctx.tx.execute(stmt.order_by(columns.version.desc()))).all():
        versions.setdefault(str(version.policy_name), []).append(version)
    found: list[Entry] = []
    for name, row in zip(names, rows, strict=True):
        policy = customer_policy(ctx.account, row)
        listed = [_version(policy, v.version, v.document, v.created_at) for v in versions.get(name, [])]
        found.append((name, {**policy_view(policy, usage), **_described(policy), "PolicyVersionList": listed}))
    return found


async def _aws_policies(ctx: Context, after: str, most: int) -> list[Entry]:
    usage = await read_usage(ctx)
    used = usage.attached.keys() | usage.bounding.keys()
    found: list[Entry] = []
    for each in aws_managed_policies():
        if each.arn in used and each.name > after and len(found) < most:
            policy = aws_policy(each)
            listed = [_version(policy, each.version, each.text, each.updated_at)]
            found.append((each.name, {**policy_view(policy, usage), **_described(policy), "PolicyVersionList": listed}))
    return found


def _described(policy: ManagedPolicy) -> dict[str, object]:
    return {"Description": policy.description} if policy.description else {}


def _version(policy: ManagedPolicy, number: int, document: str, created_at: object) -> dict[str, object]:
    return {
        "Document": encoded_document(document),
        "VersionId": version_id(number),
        "IsDefaultVersion": number == policy.default_version,
        "CreateDate": created_at,
    }


async def _next(ctx: Context, table: Any, name: Any, after: str, most: int) -> Sequence[Any]:
    stmt = select(table).where(table.c.account == ctx.account, name > after).order_by(name).limit(most)
    return (await ctx.tx.execute(stmt)).all()


async def _policies(
    ctx: Context, kind: str, names: Sequence[str]
) -> tuple[dict[str, list[object]], dict[str, list[object]]]:
    """The inline and the attached policies of these entities, by their names."""
    inline: dict[str, list[object]] = {}
    columns = inline_policies.c
    stmt = select(inline_policies).where(
        columns.account == ctx.account, columns.entity_kind == kind, columns.entity_name.in_(names)
    )
    for row in (await ctx.tx.execute(stmt.order_by(columns.policy_name))).all():
        view = {"PolicyName": row.policy_name, "PolicyDocument": encoded_document(row.document)}
        inline.setdefault(str(row.entity_name), []).append(view)
    attached: dict[str, list[object]] = {}
    of = attached_policies.c
    stmt = select(attached_policies).where(of.account == ctx.account, of.entity_kind == kind, of.entity_name.in_(names))
    for row in (await ctx.tx.execute(stmt.order_by(of.policy_arn))).all():
        attached.setdefault(str(row.entity_name), []).append(attached_view(str(row.policy_arn)))
    return inline, attached


_READERS: dict[str, tuple[str, Reader]] = {
    "User": ("UserDetailList", _users),
    "Group": ("GroupDetailList", _groups),
    "Role": ("RoleDetailList", _roles),
    "LocalManagedPolicy": ("Policies", _own_policies),
    "AWSManagedPolicy": ("Policies", _aws_policies),
}
