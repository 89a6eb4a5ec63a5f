"""FilterLogEvents: events of a group's streams that match a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from roadstead.core.logs.pattern import InvalidPattern, parse_pattern
from roadstead.services.logs.errors import InvalidParameterException, ResourceNotFoundException
from roadstead.services.logs.listing import page_of
from roadstead.services.logs.names import named_group, require_group, resources
from roadstead.services.logs.tables import log_events, log_streams
from roadstead.services.operation import Context, operation
from roadstead.store.pagination import Scope, encode_token

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import FilterLogEventsRequestTypeDef

_MAX_EVENTS = 10_000
_SCANNED = 20_000
"""How many events one call looks at; a page may be short, or empty, and still have a next one, as on AWS."""


@operation("logs:FilterLogEvents", resources=resources, reads=True)
async def filter_log_events(ctx: Context, request: FilterLogEventsRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html."""
    name = named_group(request)
    group = await require_group(ctx, name)
    try:
        pattern = parse_pattern(request.get("filterPattern", ""))
    except InvalidPattern as error:
        raise InvalidParameterException(str(error)) from error
    stmt = select(log_events, log_streams.c.name.label("stream_name")).join(
        log_streams, log_streams.c.id == log_events.c.stream_id
    )
    stmt = stmt.where(log_events.c.group_id == group.id)
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names and prefix:
        raise InvalidParameterException("logStreamNamePrefix and logStreamNames can't both be specified.")
    if names:
        stmt = stmt.where(log_events.c.stream_id.in_(await _stream_ids(ctx, group, list(names))))
    if prefix:
        stmt = stmt.where(log_streams.c.name.startswith(prefix, autoescape=True))
    if "startTime" in request:
        stmt = stmt.where(log_events.c.timestamp_ms >= request["startTime"])
    if "endTime" in request:
        stmt = stmt.where(log_events.c.timestamp_ms < request["endTime"])
    filters: dict[str, object] = {
        "group": name,
        "names": list(names or []),
        "prefix": prefix,
        "start": request.get("startTime"),
        "end": request.get("endTime"),
        "pattern": request.get("filterPattern", ""),
    }
    keys = [log_events.c.timestamp_ms, log_events.c.id]
    scanned = await page_of(
        ctx, "FilterLogEvents", stmt, keys, limit=_SCANNED, token=request.get("nextToken"), filters=filters
    )
    limit = request.get("limit", _MAX_EVENTS)
    found: list[Any] = []
    token = scanned.next_token
    for row in scanned.rows:
        if not pattern.matches(row.message):
            continue
        if len(found) == limit:
            signing = await ctx.tx.signing_key("pagination")
            scope = Scope("FilterLogEvents", ctx.account, ctx.region, filters)
            token = encode_token(signing, scope, [found[-1].timestamp_ms, found[-1].id])
            break
        found.append(row)
    return {"events": [_view(row) for row in found], "searchedLogStreams": [], "nextToken": token}


async def _stream_ids(ctx: Context, group: Any, names: list[str]) -> list[int]:
    stmt = select(log_streams.c.id).where(log_streams.c.group_id == group.id, log_streams.c.name.in_(names))
    ids = [int(row.id) for row in (await ctx.tx.execute(stmt)).all()]
    if len(ids) != len(set(names)):
        raise ResourceNotFoundException("The specified log stream does not exist.")
    return ids


def _view(row: Any) -> dict[str, object]:
    return {
        "logStreamName": row.stream_name,
        "timestamp": row.timestamp_ms,
        "message": row.message,
        "ingestionTime": row.ingestion_ms,
        "eventId": f"{row.timestamp_ms:019d}{row.id:019d}",
    }
