"""How requests name groups and streams, and the rows behind the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import bindparam, select

from roadstead.access.resource import KeyValues, Named, ReadKeys, Resource, resource_tags
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.logs.errors import InvalidParameterException, ResourceNotFoundException
from roadstead.services.logs.tables import log_groups, log_streams
from roadstead.services.operation import Context
from roadstead.store import Lookup

_TAGS = Lookup(
    select(log_groups.c.tags).where(
        log_groups.c.account == bindparam("account"),
        log_groups.c.region == bindparam("region"),
        log_groups.c.name == bindparam("name"),
    )
)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def group_arn(account: str, region: str, name: str) -> Arn:
    """The ARN of a log group, without the `:*` that covers its streams."""
    return Arn(service="logs", region=region, account=account, resource=f"log-group:{name}")


def named_group(ctx: Context, request: Mapping[str, Any]) -> str:
    """The group's name from `logGroupName` or `logGroupIdentifier` (a name or an ARN); exactly one is given.

    Raises ResourceNotFoundException for the ARN of what is not here: of another region or account.
    """
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise InvalidParameterException("Exactly one of logGroupName or logGroupIdentifier must be specified.")
    return name if name is not None else group_of_identifier(ctx, str(identifier))


def group_of_identifier(ctx: Context, identifier: str) -> str:
    """The group's name from a name or an ARN; raises ResourceNotFoundException for the ARN of what is not here."""
    if not identifier.startswith("arn:"):
        return identifier
    try:
        arn = Arn.parse(identifier)
    except InvalidArn as error:
        raise InvalidParameterException(f"Invalid log group ARN: {identifier}") from error
    here = (arn.service, arn.region, arn.account) == ("logs", ctx.region, ctx.account)
    if not here or not arn.resource.startswith("log-group:"):
        raise ResourceNotFoundException("The specified log group does not exist.")
    return arn.resource.removeprefix("log-group:").removesuffix(":*")


async def resources(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """What policies see: the stream's ARN, with an empty stream for calls about a group, and the group's tags."""
    try:
        name = named_group(ctx, request)
    except ResourceNotFoundException:
        return [str(request["logGroupIdentifier"])]
    stream = request.get("logStreamName", "")
    arn = ctx.arn("logs", f"log-group:{name}:log-stream:{stream}")
    return [Resource(arn, tags=tags_of(ctx, name))]


def tags_of(ctx: Context, name: str) -> ReadKeys:
    """Reads the condition keys of a group's tags."""
    return partial(_tag_keys, ctx, name)


async def _tag_keys(ctx: Context, name: str) -> KeyValues:
    rows = await ctx.tx.look_up(_TAGS, account=ctx.account, region=ctx.region, name=name)
    tags: dict[str, str] = rows[0][0] if rows else {}
    return resource_tags(tags)


async def find_group(ctx: Context, name: str) -> Any:
    """The group's row; None when there is no such group."""
    stmt = select(log_groups).where(
        log_groups.c.account == ctx.account, log_groups.c.region == ctx.region, log_groups.c.name == name
    )
    return (await ctx.tx.execute(stmt)).one_or_none()


async def require_group(ctx: Context, name: str) -> Any:
    """The group's row; raises ResourceNotFoundException."""
    row = await find_group(ctx, name)
    if row is None:
        raise ResourceNotFoundException("The specified log group does not exist.")
    return row


async def require_stream(ctx: Context, group: Any, name: str) -> Any:
    """The stream's row; raises ResourceNotFoundException."""
    stmt = select(log_streams).where(log_streams.c.group_id == group.id, log_streams.c.name == name)
    row = (await ctx.tx.execute(stmt)).one_or_none()
    if row is None:
        raise ResourceNotFoundException("The specified log stream does not exist.")
    return row
