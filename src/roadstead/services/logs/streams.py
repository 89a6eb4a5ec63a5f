"""Log streams: CreateLogStream, DescribeLogStreams, DeleteLogStream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select

from roadstead.services.logs.errors import InvalidParameterException, ResourceAlreadyExistsException
from roadstead.services.logs.listing import page_of
from roadstead.services.logs.names import group_arn, milliseconds, named_group, require_group, require_stream, resources
from roadstead.services.logs.tables import log_leftovers, log_streams
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import (
        CreateLogStreamRequestTypeDef,
        DeleteLogStreamRequestTypeDef,
        DescribeLogStreamsRequestTypeDef,
    )

_PAGE = 50


@operation("logs:CreateLogStream", resources=resources)
async def create_log_stream(ctx: Context, request: CreateLogStreamRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html."""
    group = await require_group(ctx, request["logGroupName"])
    name = request["logStreamName"]
    stmt = select(log_streams.c.id).where(log_streams.c.group_id == group.id, log_streams.c.name == name)
    if (await ctx.tx.execute(stmt)).one_or_none() is not None:
        raise ResourceAlreadyExistsException("The specified log stream already exists")
    now = milliseconds(ctx.clock.now())
    await ctx.tx.execute(insert(log_streams).values(group_id=group.id, name=name, created_ms=now, stored_bytes=0))
    return {}


@operation("logs:DescribeLogStreams", resources=resources, reads=True)
async def describe_log_streams(ctx: Context, request: DescribeLogStreamsRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html.

    By LastEventTime, a stream without events counts as time 0.
    """
    name = named_group(ctx, request)
    group = await require_group(ctx, name)
    prefix, by = request.get("logStreamNamePrefix"), request.get("orderBy", "LogStreamName")
    if prefix and by == "LastEventTime":
        raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
    last = func.coalesce(log_streams.c.last_event_ms, 0).label("order_ms")
    stmt = select(log_streams, last).where(log_streams.c.group_id == group.id)
    if prefix:
        stmt = stmt.where(log_streams.c.name >= prefix, log_streams.c.name.startswith(prefix, autoescape=True))
    descending = bool(request.get("descending", False))
    found = await page_of(
        ctx,
        "DescribeLogStreams",
        stmt,
        [last, log_streams.c.name] if by == "LastEventTime" else [log_streams.c.name],
        limit=request.get("limit", _PAGE),
        token=request.get("nextToken"),
        filters={"group": name, "prefix": prefix, "by": by, "descending": descending},
        descending=descending,
    )
    arn = f"{group_arn(ctx.account, ctx.region, name)}:log-stream:"
    return {"logStreams": [_view(arn, row) for row in found.rows], "nextToken": found.next_token}


def _view(prefix: str, row: Any) -> dict[str, object]:
    return {
        "logStreamName": row.name,
        "creationTime": row.created_ms,
        "firstEventTimestamp": row.first_event_ms,
        "lastEventTimestamp": row.last_event_ms,
        "lastIngestionTime": row.last_ingestion_ms,
        "uploadSequenceToken": str(row.id),
        "arn": f"{prefix}{row.name}",
        "storedBytes": 0,  # AWS has reported 0 for streams since 2019; the group has the sum
    }


@operation("logs:DeleteLogStream", resources=resources)
async def delete_log_stream(ctx: Context, request: DeleteLogStreamRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogStream.html.

    Nobody sees the events from now on; they are removed by and by.
    """
    group = await require_group(ctx, request["logGroupName"])
    stream = await require_stream(ctx, group, request["logStreamName"])
    await ctx.tx.execute(insert(log_leftovers).values(stream_id=stream.id))
    await ctx.tx.execute(delete(log_streams).where(log_streams.c.id == stream.id))
    return {}
