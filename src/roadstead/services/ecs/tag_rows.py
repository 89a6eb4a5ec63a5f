"""Tags as rows: what the operations on every taggable resource share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from sqlalchemy import delete, insert, select

from roadstead.services.ecs.errors import ClientException, InvalidParameterException
from roadstead.services.ecs.tables import tags as table
from roadstead.services.operation import Context
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TagTypeDef

Tags = list[dict[str, str]]
MAX_TAGS = 50


def checked(given: Iterable[TagTypeDef] | None) -> Tags:
    """The tags of a request; raises for duplicate, empty or reserved keys and for more than 50."""
    found: Tags = [{"key": tag.get("key", ""), "value": tag.get("value", "")} for tag in given or ()]
    keys = [tag["key"] for tag in found]
    if any(not key for key in keys):
        raise InvalidParameterException("Tag key must not be null or empty.")
    if len(set(keys)) != len(keys):
        raise InvalidParameterException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key in keys):
        raise InvalidParameterException("Tag keys cannot start with aws: as it is reserved for AWS use.")
    if len(keys) > MAX_TAGS:
        raise ClientException(f"Tags can not be more than {MAX_TAGS} elements.")
    return found


async def read(tx: Transaction, arns: Sequence[str]) -> dict[str, Tags]:
    """The tags of each of these resources that has any."""
    if not arns:
        return {}
    rows = (await tx.execute(select(table.c.arn, table.c.tags).where(table.c.arn.in_(arns)))).all()
    return {row.arn: cast("Tags", row.tags) for row in rows}


async def write(ctx: Context, arn: str, tags: Tags) -> None:
    """Replace a resource's tags."""
    await drop(ctx.tx, [arn])
    if tags:
        await ctx.tx.execute(insert(table).values(arn=arn, account=ctx.account, region=ctx.region, tags=tags))


async def drop(tx: Transaction, arns: Sequence[str]) -> None:
    """Forget the tags of resources that are gone."""
    await tx.execute(delete(table).where(table.c.arn.in_(arns)))
