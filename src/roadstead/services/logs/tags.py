"""Tags of log groups: TagResource, UntagResource, ListTagsForResource, and the older operations that name the group alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from roadstead.access.resource import KeyValues, Named, Resource
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.logs.errors import (
    InvalidParameterException,
    ResourceNotFoundException,
    TooManyTagsException,
)
from roadstead.services.logs.names import find_group, require_group, resources, tags_of
from roadstead.services.logs.tables import log_groups
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import (
        ListTagsForResourceRequestTypeDef,
        ListTagsLogGroupRequestTypeDef,
        TagLogGroupRequestTypeDef,
        TagResourceRequestTypeDef,
        UntagLogGroupRequestTypeDef,
        UntagResourceRequestTypeDef,
    )

MAX_TAGS = 50
_GROUP = "log-group:"
_TOO_MANY = f"The maximum number of tags is {MAX_TAGS}."


def checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a request; raises InvalidParameterException. The model bounds their number and lengths."""
    for key in tags:
        if key.lower().startswith("aws:"):
            raise InvalidParameterException("Tag keys that begin with aws: are reserved.")
    return dict(tags)


async def request_tags(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    """`aws:RequestTag/…` and `aws:TagKeys` of a request with tags, or with keys of tags that are to go."""
    del ctx
    given: Mapping[str, str] | Sequence[str] = request.get("tags") or ()
    tags: Mapping[str, str] = given if isinstance(given, Mapping) else {}
    names = list(given) or list(request.get("tagKeys") or ())
    keys = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**keys, **({"aws:TagKeys": names} if names else {})}


async def _named(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """The group that a request names by its ARN, which policies of these operations see without an end of `:*`.

    Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html
    """
    text = str(request["resourceArn"])
    try:
        arn = Arn.parse(text)
    except InvalidArn:
        return [text]
    name = _group_in(ctx, arn)
    return [arn] if name is None else [Resource(arn, tags=tags_of(ctx, name))]


@operation("logs:TagResource", resources=_named, keys=request_tags)
async def tag_resource(ctx: Context, request: TagResourceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html."""
    group = await _require(ctx, request["resourceArn"])
    tags = {**group.tags, **checked_tags(request["tags"])}
    if len(tags) > MAX_TAGS:
        raise TooManyTagsException(_TOO_MANY, resource=request["resourceArn"])
    return await _write(ctx, group, tags)


@operation("logs:UntagResource", resources=_named, keys=request_tags)
async def untag_resource(ctx: Context, request: UntagResourceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagResource.html."""
    group = await _require(ctx, request["resourceArn"])
    return await _write(ctx, group, _without(group.tags, request["tagKeys"]))


@operation("logs:ListTagsForResource", resources=_named, reads=True)
async def list_tags_for_resource(ctx: Context, request: ListTagsForResourceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html."""
    return {"tags": (await _require(ctx, request["resourceArn"])).tags}


@operation("logs:TagLogGroup", resources=resources, keys=request_tags)
async def tag_log_group(ctx: Context, request: TagLogGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagLogGroup.html."""
    group = await require_group(ctx, request["logGroupName"])
    tags = {**group.tags, **checked_tags(request["tags"])}
    if len(tags) > MAX_TAGS:
        raise InvalidParameterException(_TOO_MANY)
    return await _write(ctx, group, tags)


@operation("logs:UntagLogGroup", resources=resources, keys=request_tags)
async def untag_log_group(ctx: Context, request: UntagLogGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagLogGroup.html."""
    group = await require_group(ctx, request["logGroupName"])
    return await _write(ctx, group, _without(group.tags, request["tags"]))


@operation("logs:ListTagsLogGroup", resources=resources, reads=True)
async def list_tags_log_group(ctx: Context, request: ListTagsLogGroupRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsLogGroup.html."""
    return {"tags": (await require_group(ctx, request["logGroupName"])).tags}


def _group_in(ctx: Context, arn: Arn) -> str | None:
    """The name of the caller's group that an ARN is of; None for anything else."""
    here = (arn.service, arn.region, arn.account) == ("logs", ctx.region, ctx.account)
    name = arn.resource.removeprefix(_GROUP)
    return name if here and arn.resource.startswith(_GROUP) and ":" not in name else None


async def _require(ctx: Context, text: str) -> Any:
    try:
        name = _group_in(ctx, Arn.parse(text))
    except InvalidArn as error:
        raise InvalidParameterException(f"Invalid resource ARN: {text}") from error
    group = await find_group(ctx, name) if name else None
    if group is None:
        raise ResourceNotFoundException("The specified resource does not exist.")
    return group


async def _write(ctx: Context, group: Any, tags: Mapping[str, str]) -> dict[str, object]:
    await ctx.tx.execute(update(log_groups).where(log_groups.c.id == group.id).values(tags=dict(tags)))
    return {}


def _without(tags: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    gone = set(keys)
    return {key: value for key, value in tags.items() if key not in gone}
