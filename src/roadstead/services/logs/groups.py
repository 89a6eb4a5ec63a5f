"""Log groups: CreateLogGroup, DescribeLogGroups, DeleteLogGroup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select

from roadstead.access.errors import AccessDenied
from roadstead.services.logs.errors import (
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from roadstead.services.logs.listing import page_of
from roadstead.services.logs.names import group_arn, group_of_identifier, milliseconds, require_group, resources
from roadstead.services.logs.tables import log_groups, log_leftovers, log_streams
from roadstead.services.logs.tags import checked_tags, request_tags
from roadstead.services.operation import Context, operation
from roadstead.services.unbuilt import refuse_unbuilt

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import (
        CreateLogGroupRequestTypeDef,
        DeleteLogGroupRequestTypeDef,
        DescribeLogGroupsRequestTypeDef,
    )

_PAGE = 50
_CLASS = "STANDARD"
"""The class of every group; no other is built."""


@operation("logs:CreateLogGroup", resources=resources, keys=request_tags)
async def create_log_group(ctx: Context, request: CreateLogGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html."""
    refuse_unbuilt("logs:CreateLogGroup", request, kmsKeyId="", logGroupClass=_CLASS, deletionProtectionEnabled=False)
    name = request["logGroupName"]
    if name.startswith("aws/"):
        raise InvalidParameterException("Log groups starting with aws/ are reserved for AWS.")
    stmt = select(log_groups.c.id).where(
        log_groups.c.account == ctx.account, log_groups.c.region == ctx.region, log_groups.c.name == name
    )
    if (await ctx.tx.execute(stmt)).one_or_none() is not None:
        raise ResourceAlreadyExistsException("The specified log group already exists")
    tags = checked_tags(request.get("tags", {}))
    if tags:
        await _may_tag(ctx, request)
    await ctx.tx.execute(
        insert(log_groups).values(
            account=ctx.account,
            region=ctx.region,
            name=name,
            created_ms=milliseconds(ctx.clock.now()),
            tags=tags,
        )
    )
    return {}


async def _may_tag(ctx: Context, request: CreateLogGroupRequestTypeDef) -> None:
    """Require logs:TagResource or logs:TagLogGroup of who makes a group with tags."""
    keys = await request_tags(ctx, request)
    try:
        await ctx.authorise("logs:TagResource", [group_arn(ctx.account, ctx.region, request["logGroupName"])], keys)
    except AccessDenied as denied:
        try:
            await ctx.authorise("logs:TagLogGroup", await resources(ctx, request), keys)
        except AccessDenied:
            raise denied from None


@operation("logs:DescribeLogGroups", reads=True)
async def describe_log_groups(ctx: Context, request: DescribeLogGroupsRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html."""
    refuse_unbuilt(
        "logs:DescribeLogGroups", request, accountIdentifiers=[], includeLinkedAccounts=False, logGroupClass=_CLASS
    )
    prefix, infix = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    identifiers = request.get("logGroupIdentifiers")
    if prefix and infix:
        raise InvalidParameterException(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    if identifiers and (prefix or infix or request.get("logGroupClass")):
        raise InvalidParameterException("logGroupIdentifiers can't be specified with another filter.")
    stmt = select(log_groups).where(log_groups.c.account == ctx.account, log_groups.c.region == ctx.region)
    if identifiers:
        stmt = stmt.where(log_groups.c.name.in_(_names_of(ctx, identifiers)))
    if prefix:
        stmt = stmt.where(log_groups.c.name >= prefix, log_groups.c.name.startswith(prefix, autoescape=True))
    if infix:
        stmt = stmt.where(log_groups.c.name.contains(infix, autoescape=True))
    found = await page_of(
        ctx,
        "DescribeLogGroups",
        stmt,
        [log_groups.c.name],
        limit=request.get("limit", _PAGE),
        token=request.get("nextToken"),
        filters={"prefix": prefix, "pattern": infix, "identifiers": list(identifiers or [])},
    )
    sizes = await _stored_bytes(ctx, [row.id for row in found.rows])
    groups = [_view(ctx, row, sizes.get(row.id, 0)) for row in found.rows]
    return {"logGroups": groups, "nextToken": found.next_token}


def _names_of(ctx: Context, identifiers: Iterable[str]) -> list[str]:
    try:
        return [group_of_identifier(ctx, each) for each in identifiers]
    except ResourceNotFoundException as error:
        raise InvalidParameterException(
            "logGroupIdentifiers can name log groups of this account and Region only."
        ) from error


async def _stored_bytes(ctx: Context, ids: list[int]) -> dict[int, int]:
    stmt = (
        select(log_streams.c.group_id, func.sum(log_streams.c.stored_bytes).label("bytes"))
        .where(log_streams.c.group_id.in_(ids))
        .group_by(log_streams.c.group_id)
    )
    return {row.group_id: int(row.bytes) for row in (await ctx.tx.execute(stmt)).all()}


def _view(ctx: Context, row: Any, stored: int) -> dict[str, object]:
    arn = str(group_arn(ctx.account, ctx.region, row.name))
    return {
        "logGroupName": row.name,
        "creationTime": row.created_ms,
        "retentionInDays": row.retention_days,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": stored,
        "logGroupClass": _CLASS,
    }


@operation("logs:DeleteLogGroup", resources=resources)
async def delete_log_group(ctx: Context, request: DeleteLogGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html.

    Nobody sees the events from now on; they are removed by and by.
    """
    group = await require_group(ctx, request["logGroupName"])
    await ctx.tx.execute(insert(log_leftovers).values(group_id=group.id))
    await ctx.tx.execute(delete(log_streams).where(log_streams.c.group_id == group.id))
    await ctx.tx.execute(delete(log_groups).where(log_groups.c.id == group.id))
    return {}
