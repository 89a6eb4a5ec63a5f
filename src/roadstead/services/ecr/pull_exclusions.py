"""Principals whose pulls leave no trace in an image's pull time: RegisterPullTimeUpdateExclusion and its kin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, tuple_

from roadstead.services.ecr.errors import ExclusionAlreadyExistsException, ExclusionNotFoundException
from roadstead.services.ecr.paging import ecr_page
from roadstead.services.ecr.quotas import check_quota
from roadstead.services.ecr.registry_events import emit_registry
from roadstead.services.ecr.requests import Response, registry_resource
from roadstead.services.ecr.tables import pull_exclusions, registry_of
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        DeregisterPullTimeUpdateExclusionRequestTypeDef,
        ListPullTimeUpdateExclusionsRequestTypeDef,
        RegisterPullTimeUpdateExclusionRequestTypeDef,
    )

Puller = tuple[str, str, str]
"""A registry's account and region, and the ARN of a user or role."""


@operation("ecr:RegisterPullTimeUpdateExclusion", resources=registry_resource)
async def register_pull_time_update_exclusion(
    ctx: Context, request: RegisterPullTimeUpdateExclusionRequestTypeDef
) -> Response:
    """Record no pulls of this user or role from now on (API reference: RegisterPullTimeUpdateExclusion)."""
    arn, now = request["principalArn"], ctx.clock.now()
    mine = registry_of(pull_exclusions, ctx.account, ctx.region)
    if await _excluded(ctx.tx, {(ctx.account, ctx.region, arn)}):
        raise ExclusionAlreadyExistsException.of(ctx.account, arn)
    present = (await ctx.tx.execute(select(func.count()).select_from(pull_exclusions).where(mine))).scalar()
    check_quota(
        ctx.deployment, "PullTimeUpdateExclusions", int(present or 0), "The registry has all the exclusions it may have"
    )
    row = {"account": ctx.account, "region": ctx.region, "principal_arn": arn, "created_at": now}
    await ctx.tx.execute(insert(pull_exclusions).values(**row))
    emit_registry(ctx.tx, ctx.account, ctx.region, "exclusion-created", principalArn=arn)
    return {"principalArn": arn, "createdAt": now}


@operation("ecr:DeregisterPullTimeUpdateExclusion", resources=registry_resource)
async def deregister_pull_time_update_exclusion(
    ctx: Context, request: DeregisterPullTimeUpdateExclusionRequestTypeDef
) -> Response:
    """Record pulls of this user or role again (API reference: DeregisterPullTimeUpdateExclusion)."""
    arn = request["principalArn"]
    mine = registry_of(pull_exclusions, ctx.account, ctx.region) & (pull_exclusions.c.principal_arn == arn)
    if not (await ctx.tx.execute(delete(pull_exclusions).where(mine))).rowcount:
        raise ExclusionNotFoundException.of(ctx.account, arn)
    emit_registry(ctx.tx, ctx.account, ctx.region, "exclusion-deleted", principalArn=arn)
    return {"principalArn": arn}


@operation("ecr:ListPullTimeUpdateExclusions", resources=registry_resource, reads=True)
async def list_pull_time_update_exclusions(
    ctx: Context, request: ListPullTimeUpdateExclusionsRequestTypeDef
) -> Response:
    """The users and roles whose pulls are not recorded (API reference: ListPullTimeUpdateExclusions)."""
    column = pull_exclusions.c.principal_arn
    stmt = select(column).where(registry_of(pull_exclusions, ctx.account, ctx.region))
    page = await ecr_page(ctx, request, "ListPullTimeUpdateExclusions", stmt, [column])
    response: Response = {"pullTimeUpdateExclusions": [arn for (arn,) in page.rows]}
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


async def excluded_pullers(tx: Transaction, pullers: Iterable[Puller]) -> set[Puller]:
    """Those of `pullers` whose pulls are not recorded."""
    named, found = sorted(set(pullers)), set[Puller]()
    for start in range(0, len(named), 200):
        found |= await _excluded(tx, named[start : start + 200])
    return found


async def _excluded(tx: Transaction, pullers: Iterable[Puller]) -> set[Puller]:
    columns = (pull_exclusions.c.account, pull_exclusions.c.region, pull_exclusions.c.principal_arn)
    rows = (await tx.execute(select(*columns).where(tuple_(*columns).in_(list(pullers))))).all()
    return {(row[0], row[1], row[2]) for row in rows}
