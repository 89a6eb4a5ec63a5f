"""ListEntitiesForPolicy: the users, groups and roles that have a managed policy, as permissions or as their boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from roadstead.access.tables import attached_policies
from roadstead.services.iam.entities import GROUP, ROLE, USER, EntityKind
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.policy_arns import policy_resources, require_policy
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import ListEntitiesForPolicyRequestTypeDef

_MEMBERS = {GROUP.stored: "PolicyGroups", ROLE.stored: "PolicyRoles", USER.stored: "PolicyUsers"}
_OF_OTHERS = frozenset({"LocalManagedPolicy", "AWSManagedPolicy"})
"""Entity filters of other operations, which fit no user, group or role."""


@operation("iam:ListEntitiesForPolicy", resources=policy_resources, reads=True)
async def list_entities_for_policy(ctx: Context, request: ListEntitiesForPolicyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html."""
    policy = await require_policy(ctx, request["PolicyArn"])
    wanted, usage = request.get("EntityFilter"), request.get("PolicyUsageFilter")
    found: list[tuple[EntityKind, Any]] = []
    for kind in (GROUP, ROLE, USER):
        if wanted is None or (wanted == kind.title and wanted not in _OF_OTHERS):
            found += [(kind, row) for row in await _users_of(ctx, kind, policy.arn, usage)]
    prefix = request.get("PathPrefix", "/")
    fitting = [(kind, row) for kind, row in found if str(row.path).startswith(prefix)]
    page, more = page_of(fitting, lambda pair: f"{pair[0].stored} {_name(*pair)}", request)
    answer: dict[str, list[object]] = {member: [] for member in _MEMBERS.values()}
    for kind, row in page:
        view = {kind.member: _name(kind, row), f"{kind.title}Id": str(getattr(row, kind.unique.key))}
        answer[_MEMBERS[kind.stored]].append(view)
    return {**answer, **more}


def _name(kind: EntityKind, row: Any) -> str:
    return str(getattr(row, kind.name.key))


async def _users_of(ctx: Context, kind: EntityKind, arn: str, usage: str | None) -> list[Any]:
    attached = select(attached_policies.c.entity_name).where(
        attached_policies.c.account == ctx.account,
        attached_policies.c.policy_arn == arn,
        attached_policies.c.entity_kind == kind.stored,
    )
    ways: list[Any] = []
    if usage != "PermissionsBoundary":
        ways.append(kind.name.in_(attached))
    if usage != "PermissionsPolicy" and kind.bounded:
        ways.append(kind.table.c.permissions_boundary == arn)
    if not ways:
        return []
    stmt = select(kind.table).where(kind.table.c.account == ctx.account, or_(*ways))
    return list((await ctx.tx.execute(stmt)).all())
