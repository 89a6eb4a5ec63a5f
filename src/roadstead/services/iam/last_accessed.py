"""What an identity may use and last used: Generate- and GetServiceLastAccessedDetails, GetServiceLastAccessedDetailsWithEntities.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_access-advisor.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, insert, or_, select

from roadstead.access.action_data import service_names
from roadstead.access.tables import attached_policies, group_members, users
from roadstead.kernel.arn import Arn
from roadstead.services.iam.entities import KINDS, entity_arn, find_entity, name_of
from roadstead.services.iam.errors import NoSuchEntityException
from roadstead.services.iam.granting import check_named, granted_services, held_policies
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.named import named_by
from roadstead.services.iam.tables import action_uses, last_accessed_jobs
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        GenerateServiceLastAccessedDetailsRequestTypeDef,
        GetServiceLastAccessedDetailsRequestTypeDef,
        GetServiceLastAccessedDetailsWithEntitiesRequestTypeDef,
    )

_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Use:
    """One action that a user or a role did last at a time."""

    kind: str
    name: str
    action: str
    region: str
    used_at: datetime
    arn: str

    @property
    def service(self) -> str:
        """The action's service prefix."""
        return self.action.partition(":")[0]


@operation("iam:GenerateServiceLastAccessedDetails", resources=named_by("Arn"))
async def generate_service_last_accessed_details(
    ctx: Context, request: GenerateServiceLastAccessedDetailsRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateServiceLastAccessedDetails.html: kept for a week."""
    await check_named(ctx, request["Arn"])
    job, now, columns = str(uuid.uuid4()), ctx.clock.now(), last_accessed_jobs.c
    await ctx.tx.execute(
        delete(last_accessed_jobs).where(columns.account == ctx.account, columns.created_at < now - _KEPT)
    )
    await ctx.tx.execute(
        insert(last_accessed_jobs).values(
            account=ctx.account,
            job_id=job,
            entity_arn=request["Arn"],
            granularity=request.get("Granularity", "SERVICE_LEVEL"),
            created_at=now,
        )
    )
    return {"JobId": job}


@operation("iam:GetServiceLastAccessedDetails", reads=True)
async def get_service_last_accessed_details(
    ctx: Context, request: GetServiceLastAccessedDetailsRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetails.html: services that policies grant."""
    job = await _require_job(ctx, request["JobId"])
    arn = await check_named(ctx, job.entity_arn)
    uses = await _uses(ctx, await _identities(ctx, arn))
    names = await _granted(ctx, arn)
    page, more = page_of(sorted(names), str, request)
    by_action = job.granularity == "ACTION_LEVEL"
    return {
        **_status(job),
        "JobType": job.granularity,
        "ServicesLastAccessed": [
            _service(service, names[service], [use for use in uses if use.service == service], by_action)
            for service in page
        ],
        **more,
    }


@operation("iam:GetServiceLastAccessedDetailsWithEntities", reads=True)
async def get_service_last_accessed_details_with_entities(
    ctx: Context, request: GetServiceLastAccessedDetailsWithEntitiesRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetailsWithEntities.html."""
    job = await _require_job(ctx, request["JobId"])
    identities = await _identities(ctx, await check_named(ctx, job.entity_arn))
    uses = [use for use in await _uses(ctx, identities) if use.service == request["ServiceNamespace"]]
    page, more = page_of(identities, " ".join, request)
    entries: list[object] = []
    for kind, name in page:
        row = await find_entity(ctx.tx, ctx.account, KINDS[kind], name)
        last = _latest([use for use in uses if (use.kind, use.name) == (kind, name)])
        if row is not None:
            info = {
                "Arn": str(entity_arn(ctx.account, kind, row.path, name)),
                "Name": name,
                "Type": kind.upper(),
                "Id": str(getattr(row, KINDS[kind].unique.key)),
                "Path": row.path,
            }
            entries.append({"EntityInfo": info, **({"LastAuthenticated": last.used_at} if last is not None else {})})
    return {**_status(job), "EntityDetailsList": entries, **more}


async def _require_job(ctx: Context, job_id: str) -> Any:
    columns = last_accessed_jobs.c
    stmt = select(last_accessed_jobs).where(columns.account == ctx.account, columns.job_id == job_id)
    row = (await ctx.tx.execute(stmt)).one_or_none()
    if row is None:
        raise NoSuchEntityException(f"Job {job_id} cannot be found.")
    return row


def _status(job: Any) -> dict[str, object]:
    return {"JobStatus": "COMPLETED", "JobCreationDate": job.created_at, "JobCompletionDate": job.created_at}


async def _granted(ctx: Context, arn: Arn) -> Mapping[str, str]:
    """The services that the policies grant something of, with their names."""
    known = service_names()
    granted: set[str] = set()
    for policy in await held_policies(ctx, arn):
        services = granted_services(policy.document)
        if services is None:
            return known
        granted |= services
    return {service: known[service] for service in granted if service in known}


async def _identities(ctx: Context, arn: Arn) -> list[tuple[str, str]]:
    """The users and roles whose uses count: the one that is named, a group's members, those who hold a policy."""
    kind, _, name = name_of(arn)
    if kind in ("user", "role"):
        return [(kind, name)]
    if kind == "group":
        return [("user", user) for user in await _members(ctx, [name])]
    columns = attached_policies.c
    stmt = select(columns.entity_kind, columns.entity_name).where(
        columns.account == ctx.account, columns.policy_arn == str(arn)
    )
    holders = [(str(row.entity_kind), str(row.entity_name)) for row in (await ctx.tx.execute(stmt)).all()]
    in_groups = await _members(ctx, [holder for of, holder in holders if of == "group"])
    return list(
        dict.fromkeys([*(each for each in holders if each[0] != "group"), *(("user", user) for user in in_groups)])
    )


async def _members(ctx: Context, groups: Sequence[str]) -> list[str]:
    joined = select(group_members.c.user_name).where(
        group_members.c.account == ctx.account, group_members.c.group_name.in_(groups)
    )
    stmt = select(users.c.user_name).where(users.c.account == ctx.account, users.c.user_name.in_(joined))
    return [str(row.user_name) for row in (await ctx.tx.execute(stmt)).all()]


async def _uses(ctx: Context, identities: Sequence[tuple[str, str]]) -> list[Use]:
    if not identities:
        return []
    columns = action_uses.c
    kinds = {kind for kind, _ in identities}
    wanted = [
        and_(columns.entity_kind == kind, columns.entity_name.in_([name for of, name in identities if of == kind]))
        for kind in kinds
    ]
    stmt = select(action_uses).where(columns.account == ctx.account, or_(*wanted))
    rows = (await ctx.tx.execute(stmt)).all()
    arns: dict[tuple[str, str], str] = {}
    for kind, name in {(str(row.entity_kind), str(row.entity_name)) for row in rows}:
        entity = await find_entity(ctx.tx, ctx.account, KINDS[kind], name)
        if entity is not None:
            arns[kind, name] = str(entity_arn(ctx.account, kind, str(entity.path), name))
    return [
        Use(row.entity_kind, row.entity_name, row.action, row.region, row.used_at, arn)
        for row in rows
        if (arn := arns.get((row.entity_kind, row.entity_name))) is not None
    ]


def _latest(uses: Sequence[Use]) -> Use | None:
    return max(uses, key=lambda use: use.used_at, default=None)


def _service(service: str, name: str, uses: Sequence[Use], by_action: bool) -> dict[str, object]:
    view: dict[str, object] = {
        "ServiceName": name,
        "ServiceNamespace": service,
        "TotalAuthenticatedEntities": len({(use.kind, use.name) for use in uses}),
    }
    last = _latest(uses)
    if last is not None:
        view["LastAuthenticated"] = last.used_at
        view["LastAuthenticatedEntity"] = last.arn
        view["LastAuthenticatedRegion"] = last.region
    if by_action:
        view["TrackedActionsLastAccessed"] = [
            _action(action, [use for use in uses if use.action == action])
            for action in sorted({use.action for use in uses})
        ]
    return view


def _action(action: str, uses: Sequence[Use]) -> dict[str, object]:
    last = max(uses, key=lambda use: use.used_at)
    return {
        "ActionName": action.partition(":")[2],
        "LastAccessedEntity": last.arn,
        "LastAccessedTime": last.used_at,
        "LastAccessedRegion": last.region,
    }
