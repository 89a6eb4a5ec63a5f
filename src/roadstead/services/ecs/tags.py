"""TagResource, UntagResource, ListTagsForResource on clusters, tasks, task definitions and container instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.ecs import clusters, instance_rows, tag_rows, task_rows
from roadstead.services.ecs.errors import ClusterNotFoundException, InvalidParameterException
from roadstead.services.ecs.guarded import named_resource, request_tags
from roadstead.services.ecs.identifiers import task_definition
from roadstead.services.ecs.task_definitions import find_definition
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import (
        ListTagsForResourceRequestTypeDef,
        TagResourceRequestTypeDef,
        UntagResourceRequestTypeDef,
    )

Shape = dict[str, Any]


@operation("ecs:TagResource", resources=named_resource, keys=request_tags)
async def tag_resource(ctx: Context, request: TagResourceRequestTypeDef) -> Shape:
    """Add tags to a resource; a key that is there gets the new value."""
    arn = await _existing(ctx, request["resourceArn"])
    added = {tag["key"]: tag["value"] for tag in tag_rows.checked(request["tags"])}
    kept = {tag["key"]: tag["value"] for tag in (await tag_rows.read(ctx.tx, [arn])).get(arn, [])}
    merged = {**kept, **added}
    if len(merged) > tag_rows.MAX_TAGS:
        raise InvalidParameterException(f"Tags can not be more than {tag_rows.MAX_TAGS} elements.")
    await tag_rows.write(ctx, arn, [{"key": key, "value": value} for key, value in merged.items()])
    return {}


@operation("ecs:UntagResource", resources=named_resource, keys=request_tags)
async def untag_resource(ctx: Context, request: UntagResourceRequestTypeDef) -> Shape:
    """Take tags away; keys that are not there are no error."""
    arn = await _existing(ctx, request["resourceArn"])
    kept = (await tag_rows.read(ctx.tx, [arn])).get(arn, [])
    await tag_rows.write(ctx, arn, [tag for tag in kept if tag["key"] not in request["tagKeys"]])
    return {}


@operation("ecs:ListTagsForResource", resources=named_resource, reads=True)
async def list_tags_for_resource(ctx: Context, request: ListTagsForResourceRequestTypeDef) -> Shape:
    """A resource's tags."""
    arn = await _existing(ctx, request["resourceArn"])
    return {"tags": (await tag_rows.read(ctx.tx, [arn])).get(arn, [])}


async def _existing(ctx: Context, reference: str) -> str:
    """The ARN, when it names a resource of the caller; raises InvalidParameterException or ClusterNotFoundException."""
    try:
        arn = Arn.parse(reference)
    except InvalidArn as error:
        raise InvalidParameterException("Invalid ARN.") from error
    if (arn.service, arn.region, arn.account) != ("ecs", ctx.region, ctx.account):
        raise InvalidParameterException("The ARN provided is invalid.")
    kind, _, rest = arn.resource.partition("/")
    match kind:
        case "cluster":
            if await clusters.cluster_by_name(ctx.tx, ctx.account, ctx.region, rest) is None:
                raise ClusterNotFoundException
        case "task":
            if await task_rows.by_arn(ctx.tx, reference) is None:
                raise InvalidParameterException("The specified task is not found. Specify a valid task and try again.")
        case "container-instance":
            if await instance_rows.by_arn(ctx.tx, reference) is None:
                raise InvalidParameterException("The specified container instance is not found.")
        case "task-definition":
            family, revision = task_definition(ctx, reference)
            if revision is None or await find_definition(ctx, family, revision) is None:
                raise InvalidParameterException(
                    "The specified task definition does not exist. Specify a valid family or revision number and try again."
                )
        case _:
            raise InvalidParameterException("The ARN provided is invalid.")
    return reference
