"""FilterLogEvents: events of a group's streams that match a pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, select

from roadstead.core.logs.batch import MAX_BATCH_BYTES
from roadstead.core.logs.pattern import InvalidPattern, parse_pattern
from roadstead.services.logs.errors import InvalidParameterException, ResourceNotFoundException
from roadstead.services.logs.events import PLACE, Place, between, place_of
from roadstead.services.logs.listing import page_of
from roadstead.services.logs.names import named_group, require_group, resources
from roadstead.services.logs.tables import log_events, log_streams
from roadstead.services.operation import Context, operation
from roadstead.services.unbuilt import refuse_unbuilt
from roadstead.store.pagination import Scope, encode_token

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import FilterLogEventsRequestTypeDef

_MAX_EVENTS = 10_000
_SCANNED = 20_000
"""How many events one call looks at; a page may be short, or empty, and still have a next one, as on AWS."""
_READ_BYTES = 4 << 20
"""How much of them is in memory at once."""
_SCANNED_BYTES = 64 << 20
"""How much of them one call looks at."""


@operation("logs:FilterLogEvents", resources=resources, reads=True)
async def filter_log_events(ctx: Context, request: FilterLogEventsRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html."""
    refuse_unbuilt("logs:FilterLogEvents", request, startFromHead=True, unmask=False)
    name = named_group(ctx, request)
    group = await require_group(ctx, name)
    try:
        pattern = parse_pattern(request.get("filterPattern", ""))
    except InvalidPattern as error:
        raise InvalidParameterException(str(error)) from error
    conditions = [log_events.c.group_id == group.id]
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names and prefix:
        raise InvalidParameterException("logStreamNamePrefix and logStreamNames can't both be specified.")
    if names:
        conditions.append(log_events.c.stream_id.in_(await _stream_ids(ctx, group, list(names))))
    if prefix:
        conditions.append(log_streams.c.name.startswith(prefix, autoescape=True))
    if "startTime" in request:
        conditions.append(log_events.c.timestamp_ms >= request["startTime"])
    if "endTime" in request:
        conditions.append(log_events.c.timestamp_ms <= request["endTime"])
    filters: dict[str, object] = {
        "group": name,
        "names": list(names or []),
        "prefix": prefix,
        "start": request.get("startTime"),
        "end": request.get("endTime"),
        "pattern": request.get("filterPattern", ""),
    }
    joined = log_streams.c.id == log_events.c.stream_id
    columns: list[ColumnElement[Any]] = [*PLACE, log_events.c.size]
    sizes = select(*columns).join(log_streams, joined).where(*conditions)
    scanned = await page_of(
        ctx, "FilterLogEvents", sizes, PLACE, limit=_SCANNED, token=request.get("nextToken"), filters=filters
    )
    whole = select(log_events, log_streams.c.name.label("stream_name")).join(log_streams, joined).where(*conditions)
    search = _Search(request.get("limit", _MAX_EVENTS))
    for part in parts(scanned.rows, _READ_BYTES):
        rows = await ctx.tx.execute(whole.where(between(*part)).order_by(*PLACE))
        search.take(rows.all(), pattern.matches)
        if search.full or search.bytes_seen >= _SCANNED_BYTES:
            break
    token = scanned.next_token
    if search.seen is not None and search.seen != place_of(scanned.rows[-1]):
        signing = await ctx.tx.signing_key("pagination")
        token = encode_token(signing, Scope("FilterLogEvents", ctx.account, ctx.region, filters), search.seen)
    return {"events": [_view(row) for row in search.found], "searchedLogStreams": [], "nextToken": token}


@dataclass(slots=True)
class _Search:
    """What was found, up to `limit` events and 1 MiB, and how far was looked."""

    limit: int
    found: list[Any] = field(default_factory=list[Any])
    seen: Place | None = None
    bytes_found: int = 0
    bytes_seen: int = 0
    full: bool = False

    def take(self, rows: Sequence[Any], matches: Callable[[str], bool]) -> None:
        """Look at more rows, until there is no room for one that matches."""
        for row in rows:
            if matches(row.message):
                self.full = bool(self.found) and (
                    len(self.found) == self.limit or self.bytes_found + row.size > MAX_BATCH_BYTES
                )
                if self.full:
                    return
                self.found.append(row)
                self.bytes_found += row.size
            self.seen = place_of(row)
            self.bytes_seen += row.size


def parts(rows: Sequence[Any], most: int) -> Iterator[tuple[Place, Place]]:
    """First and last of successive rows, cut so that the `size`s of each part are at most `most` bytes, or it is a single row."""
    start = size = 0
    for index, row in enumerate(rows):
        if size + row.size > most and index > start:
            yield place_of(rows[start]), place_of(rows[index - 1])
            start, size = index, 0
        size += row.size
    if rows:
        yield place_of(rows[start]), place_of(rows[-1])


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
