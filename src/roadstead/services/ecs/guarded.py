"""What requests name, as IAM decides about it: ARNs with their tags and their cluster, and the condition keys of the request itself.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import bindparam, select

from roadstead.access.resource import KeyValues, Named, Resource, resource_tags
from roadstead.core.taskdef.errors import InvalidTaskParameter
from roadstead.core.taskdef.sizes import parse_cpu, parse_memory
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.ecs import tag_rows
from roadstead.services.ecs.identifiers import cluster_arn, cluster_name
from roadstead.services.ecs.tables import tags as table
from roadstead.services.operation import Context
from roadstead.store import Lookup, Transaction

Request = Mapping[str, Any]
_TAGS = Lookup(select(table.c.tags).where(table.c.arn == bindparam("arn")))
_OF_CLUSTERS = ("task", "container-instance", "service", "task-set")
"""Kinds of resources whose ARN has the cluster's name in front of their own."""


def guarded(tx: Transaction, arn: Arn) -> Resource:
    """A resource, which need not exist, with its tags and its cluster where its ARN names one."""
    return Resource(arn, _cluster_of(arn), tags=partial(_tags, tx, arn))


def guarded_each(tx: Transaction, arns: Sequence[Arn]) -> list[Named]:
    """As `guarded`, for several."""
    return [guarded(tx, arn) for arn in (dict.fromkeys(arns) if len(arns) > 1 else arns)]


async def named_cluster(ctx: Context, request: Request) -> Sequence[Named]:
    """The cluster of a request, `default` where it is left out; any, where it names none of the caller's."""
    return [guarded(ctx.tx, requested_cluster(ctx, request))]


async def named_resource(ctx: Context, request: Request) -> Sequence[Named]:
    """The `resourceArn` of a tagging operation."""
    return [guarded_arn(ctx.tx, ctx.account, str(request["resourceArn"]))]


def guarded_arn(tx: Transaction, account: str, text: str) -> Named:
    """What an ARN names, as `guarded`; of what is another account's nothing is read."""
    try:
        arn = Arn.parse(text)
    except InvalidArn:
        return text
    return guarded(tx, arn) if arn.account == account else arn


def requested_cluster(ctx: Context, request: Request) -> Arn:
    """The ARN of the request's cluster."""
    return cluster_arn(ctx, cluster_name(ctx, request.get("cluster")) or "*")


def members(ctx: Context, kind: str, request: Request, references: Sequence[str | None]) -> list[Arn]:
    """The ARNs of tasks or container instances that a request names in its cluster; any, for an empty reference."""
    cluster = cluster_name(ctx, request.get("cluster")) or "*"
    return [ctx.arn("ecs", f"{kind}/{cluster}/{(each or '*').rsplit('/', 1)[-1]}") for each in references]


async def request_tags(ctx: Context, request: Request) -> KeyValues:
    """`aws:RequestTag/…` and `aws:TagKeys` of a request with `tags` or `tagKeys`."""
    del ctx
    given: Sequence[Mapping[str, str]] = request.get("tags") or ()
    tags = {tag.get("key", ""): tag.get("value", "") for tag in given}
    names = list(tags) or list(request.get("tagKeys") or ())
    return {
        **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
        **({"aws:TagKeys": names} if names else {}),
    }


def capacity_providers(ctx: Context, names: Sequence[str]) -> KeyValues:
    """`ecs:capacity-provider`: the ARNs of the providers that a request names."""
    arns = [
        name if name.startswith("arn:") else str(ctx.arn("ecs", f"capacity-provider/{name}"))
        for name in dict.fromkeys(names)
    ]
    return {"ecs:capacity-provider": arns[0] if len(arns) == 1 else arns} if arns else {}


def sizes(request: Request) -> KeyValues:
    """`ecs:task-cpu` (CPU units) and `ecs:task-memory` (MiB) of a request with a size. What is no size has no key: it is refused later."""
    return {
        **_size("ecs:task-cpu", request.get("cpu"), parse_cpu),
        **_size("ecs:task-memory", request.get("memory"), parse_memory),
    }


async def authorise_tags(ctx: Context, action: str, arn: Arn, request: Request) -> None:
    """Require ecs:TagResource where the request of an operation (`RunTask`) tags what it makes."""
    keys = await request_tags(ctx, request)
    if keys:
        resource = Resource(arn, _cluster_of(arn))
        await ctx.authorise("ecs:TagResource", [resource], {**keys, "ecs:CreateAction": action})


def _size(key: str, text: str | None, parse: Callable[[str], int]) -> KeyValues:
    if not text:
        return {}
    try:
        return {key: str(parse(text))}
    except InvalidTaskParameter:
        return {}


async def _tags(tx: Transaction, arn: Arn) -> KeyValues:
    rows = await tx.look_up(_TAGS, arn=str(arn))
    tags: tag_rows.Tags = rows[0][0] if rows else []
    return resource_tags({tag["key"]: tag["value"] for tag in tags}, "ecs")


def _cluster_of(arn: Arn) -> dict[str, str]:
    kind, _, rest = arn.resource.partition("/")
    if kind not in _OF_CLUSTERS:
        return {}
    cluster, slash, _ = rest.partition("/")
    if not slash:
        return {}
    return {"ecs:cluster": f"arn:{arn.partition}:ecs:{arn.region}:{arn.account}:cluster/{cluster}"}
