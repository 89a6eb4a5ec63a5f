"""Log events of one stream: PutLogEvents, GetLogEvents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, insert, select, tuple_, update

from roadstead.core.logs.batch import MAX_BATCH_BYTES, InvalidBatch, accept, batch_bytes, event_bytes
from roadstead.services.logs.errors import InvalidParameterException
from roadstead.services.logs.names import milliseconds, named_group, require_group, require_stream, resources
from roadstead.services.logs.tables import log_events, log_streams
from roadstead.services.operation import Context, operation
from roadstead.services.unbuilt import refuse_unbuilt

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import GetLogEventsRequestTypeDef, PutLogEventsRequestTypeDef

_DAY_MS = 24 * 3600 * 1000
_MAX_EVENTS = 10_000
PLACE = (log_events.c.timestamp_ms, log_events.c.id)
"""The order of events: by time, and at one time as they came."""
Place = tuple[int, int]
_TOKEN = re.compile(r"([fb])/(-?\d{1,19})/(\d{1,19})")


@operation("logs:PutLogEvents", resources=resources)
async def put_log_events(ctx: Context, request: PutLogEventsRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html; sequence tokens are ignored, as on AWS.

    Nothing is kept of entities: the answer says that they are rejected, while the events are not.
    NUL, which PostgreSQL can't keep in text, becomes U+FFFD.
    """
    group = await require_group(ctx, request["logGroupName"])
    stream = await require_stream(ctx, group, request["logStreamName"])
    events = request["logEvents"]
    now = milliseconds(ctx.clock.now())
    try:
        verdict = accept(
            [e["timestamp"] for e in events],
            batch_bytes([e["message"] for e in events]),
            now_ms=now,
            retention_ms=group.retention_days * _DAY_MS if group.retention_days else None,
        )
    except InvalidBatch as error:
        raise InvalidParameterException(str(error)) from error
    kept = events[verdict.start : verdict.end]
    if kept:
        await ctx.tx.execute(
            insert(log_events),
            [
                {
                    "group_id": group.id,
                    "stream_id": stream.id,
                    "timestamp_ms": e["timestamp"],
                    "ingestion_ms": now,
                    "size": event_bytes(e["message"]),
                    "message": e["message"].replace("\0", "\ufffd"),
                }
                for e in kept
            ],
        )
        first, last = kept[0]["timestamp"], kept[-1]["timestamp"]
        await ctx.tx.execute(
            update(log_streams)
            .where(log_streams.c.id == stream.id)
            .values(
                first_event_ms=first if stream.first_event_ms is None else min(stream.first_event_ms, first),
                last_event_ms=last if stream.last_event_ms is None else max(stream.last_event_ms, last),
                last_ingestion_ms=now,
                stored_bytes=log_streams.c.stored_bytes + batch_bytes([e["message"] for e in kept]),
            )
        )
        ctx.emit("logs.events", f"{request['logGroupName']}:{request['logStreamName']}", {"count": len(kept)})
    rejected = {
        "tooOldLogEventEndIndex": verdict.too_old_end,
        "expiredLogEventEndIndex": verdict.expired_end,
        "tooNewLogEventStartIndex": verdict.too_new_start,
    }
    told = {name: index for name, index in rejected.items() if index is not None}
    return {
        "nextSequenceToken": str(stream.id),
        **({"rejectedLogEventsInfo": told} if told else {}),
        **({"rejectedEntityInfo": {"errorType": "UnsupportedLogGroupType"}} if "entity" in request else {}),
    }


@operation("logs:GetLogEvents", resources=resources, reads=True)
async def get_log_events(ctx: Context, request: GetLogEventsRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html.

    A token names the event that the page ended at (`f/` forward, `b/` backward); at the end of the stream the same token comes back.
    """
    refuse_unbuilt("logs:GetLogEvents", request, unmask=False)
    group = await require_group(ctx, named_group(ctx, request))
    stream = await require_stream(ctx, group, request["logStreamName"])
    stmt = select(*PLACE, log_events.c.size).where(log_events.c.stream_id == stream.id)
    if "startTime" in request:
        stmt = stmt.where(log_events.c.timestamp_ms >= request["startTime"])
    if "endTime" in request:
        stmt = stmt.where(log_events.c.timestamp_ms < request["endTime"])
    forward = bool(request.get("startFromHead", False))
    token = request.get("nextToken")
    position = (0, 0)
    if token is not None:
        forward, position = _read_token(token)
        stmt = stmt.where(tuple_(*PLACE) > tuple_(*position) if forward else tuple_(*PLACE) < tuple_(*position))
    order = PLACE if forward else tuple(column.desc() for column in PLACE)
    rows = (await ctx.tx.execute(stmt.order_by(*order).limit(request.get("limit", _MAX_EVENTS)))).all()
    places = [place_of(row) for row in within_size(rows)]
    if not forward:
        places.reverse()
    first, last = (places[0], places[-1]) if places else (position, position)
    whole = select(log_events).where(log_events.c.stream_id == stream.id, between(first, last)).order_by(*PLACE)
    page = (await ctx.tx.execute(whole)).all() if places else ()
    return {
        "events": [{"timestamp": r.timestamp_ms, "message": r.message, "ingestionTime": r.ingestion_ms} for r in page],
        "nextForwardToken": f"f/{last[0]}/{last[1]}",
        "nextBackwardToken": f"b/{first[0]}/{first[1]}",
    }


def between(first: Place, last: Place) -> ColumnElement[bool]:
    """Events from one place to another, both included."""
    place = tuple_(*PLACE)
    return and_(place >= tuple_(*first), place <= tuple_(*last))


def within_size(rows: Sequence[Any]) -> Sequence[Any]:
    """The first rows whose `size`s fit into an answer of 1 MiB; always at least one."""
    size = 0
    for index, row in enumerate(rows):
        size += row.size
        if size > MAX_BATCH_BYTES and index:
            return rows[:index]
    return rows


def place_of(row: Any) -> Place:
    """Where an event lies in that order."""
    return int(row.timestamp_ms), int(row.id)


def _read_token(token: str) -> tuple[bool, tuple[int, int]]:
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise InvalidParameterException("The specified nextToken is invalid.")
    return found[1] == "f", (int(found[2]), int(found[3]))
