"""How long events are kept: PutRetentionPolicy, DeleteRetentionPolicy, and the removal itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from roadstead.services.logs.errors import InvalidParameterException
from roadstead.services.logs.names import milliseconds, require_group, resources
from roadstead.services.logs.tables import log_events, log_groups
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import DeleteRetentionPolicyRequestTypeDef, PutRetentionPolicyRequestTypeDef

RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
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


async def expire_events(tx: Transaction, now: datetime) -> int:
    """Remove events past their group's retention; returns how many. Called by the housekeeping controller."""
    stmt = select(log_groups.c.id, log_groups.c.retention_days).where(log_groups.c.retention_days.is_not(None))
    removed = 0
    for row in (await tx.execute(stmt)).all():
        before = milliseconds(now) - int(row.retention_days or 0) * _DAY_MS
        gone = delete(log_events).where(log_events.c.group_id == row.id, log_events.c.timestamp_ms < before)
        removed += (await tx.execute(gone)).rowcount
    return removed
