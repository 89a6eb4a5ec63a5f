"""How long events are kept: PutRetentionPolicy, DeleteRetentionPolicy, and the removal itself.

Events are removed in small transactions: however many they are, nobody waits long for the writer.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from roadstead.services.logs.errors import InvalidParameterException
from roadstead.services.logs.events import PLACE, between, place_of
from roadstead.services.logs.names import milliseconds, require_group, resources
from roadstead.services.logs.tables import log_events, log_groups, log_leftovers, log_streams
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import DeleteRetentionPolicyRequestTypeDef, PutRetentionPolicyRequestTypeDef

RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
BATCH = 2000
"""Events that are removed in one transaction."""
_DAY_MS = 24 * 3600 * 1000


@operation("logs:PutRetentionPolicy", resources=resources)
async def put_retention_policy(ctx: Context, request: PutRetentionPolicyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html."""
    days = request["retentionInDays"]
    if days not in RETENTION_DAYS:
        raise InvalidParameterException(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must"
            f" satisfy enum value set: {sorted(RETENTION_DAYS)}"
        )
    group = await require_group(ctx, request["logGroupName"])
    await ctx.tx.execute(update(log_groups).where(log_groups.c.id == group.id).values(retention_days=days))
    return {}


@operation("logs:DeleteRetentionPolicy", resources=resources)
async def delete_retention_policy(ctx: Context, request: DeleteRetentionPolicyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteRetentionPolicy.html."""
    group = await require_group(ctx, request["logGroupName"])
    await ctx.tx.execute(update(log_groups).where(log_groups.c.id == group.id).values(retention_days=None))
    return {}


async def expire_events(tx: Transaction, now: datetime, most: int = BATCH) -> int:
    """Remove events past their group's retention, `most` at once; returns how many. Called by the housekeeping controller."""
    stmt = select(log_groups.c.id, log_groups.c.retention_days).where(log_groups.c.retention_days.is_not(None))
    for row in (await tx.execute(stmt)).all():
        before = milliseconds(now) - int(row.retention_days or 0) * _DAY_MS
        old = (
            select(*PLACE, log_events.c.stream_id, log_events.c.size)
            .where(log_events.c.group_id == row.id, log_events.c.timestamp_ms < before)
            .order_by(*PLACE)
            .limit(most)
        )
        gone = (await tx.execute(old)).all()
        if gone:
            ends = between(place_of(gone[0]), place_of(gone[-1]))
            await tx.execute(delete(log_events).where(log_events.c.group_id == row.id, ends))
            freed: Counter[int] = Counter()
            for event in gone:
                freed[event.stream_id] += event.size
            for stream, size in freed.items():
                await _account(tx, stream, size)
            return len(gone)
    return 0


async def _account(tx: Transaction, stream: int, freed: int) -> None:
    """What is left in a stream whose oldest events went."""
    ends = select(func.min(log_events.c.timestamp_ms).label("first"), func.max(log_events.c.timestamp_ms).label("last"))
    left = (await tx.execute(ends.where(log_events.c.stream_id == stream))).one()
    await tx.execute(
        update(log_streams)
        .where(log_streams.c.id == stream)
        .values(stored_bytes=log_streams.c.stored_bytes - freed, first_event_ms=left.first, last_event_ms=left.last)
    )


async def remove_leftovers(tx: Transaction, most: int = BATCH) -> int:
    """Remove events of deleted groups and streams, `most` at once; returns how many. Called by the housekeeping controller."""
    for left in (await tx.execute(select(log_leftovers).order_by(log_leftovers.c.id))).all():
        whose = (
            log_events.c.group_id == left.group_id
            if left.stream_id is None
            else log_events.c.stream_id == left.stream_id
        )
        some = select(log_events.c.id).where(whose).limit(most)
        removed = (await tx.execute(delete(log_events).where(log_events.c.id.in_(some)))).rowcount
        if removed:
            return removed
        await tx.execute(delete(log_leftovers).where(log_leftovers.c.id == left.id))
    return 0
