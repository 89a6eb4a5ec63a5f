"""What the operations on a repository share: which repository a request means, and what IAM decides about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from roadstead.access.resource import KeyValues, Named, Resource
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.ecr.guarded import guarded_registry, guarded_repository
from roadstead.services.ecr.keys import PUBLIC, RepositoryKey
from roadstead.services.operation import Context

Response = dict[str, object]
"""The members of an operation's output; the codec knows their types from the model."""


class _Tag(msgspec.Struct):
    key: str = msgspec.field(name="Key", default="")
    value: str = msgspec.field(name="Value", default="")


def repository_key(ctx: Context, request: Mapping[str, object]) -> RepositoryKey:
    """The repository that `repositoryName` and `registryId` name; it may be another account's, whose policy let the caller in."""
    return RepositoryKey(registry_id(ctx, request), place_of(ctx), str(request["repositoryName"]))


def place_of(ctx: Context) -> str:
    """Where the registries of the service are that was asked: the request's region, and PUBLIC for ecr-public."""
    return PUBLIC if ctx.service == "ecr-public" else ctx.region


def registry_id(ctx: Context, request: Mapping[str, object]) -> str:
    """The account whose registry a request is about: the caller's own unless it names another."""
    return str(request.get("registryId") or ctx.account)


def tagged_repository(text: str) -> RepositoryKey | None:
    """The repository that a `resourceArn` names, or None."""
    try:
        arn = Arn.parse(text)
    except InvalidArn:
        return None
    kind, _, name = arn.resource.partition("/")
    if kind != "repository" or not name:
        return None
    if arn.service == "ecr-public" and not arn.region:
        return RepositoryKey(arn.account, PUBLIC, name)
    return RepositoryKey(arn.account, arn.region, name) if arn.service == "ecr" and arn.region != PUBLIC else None


async def repository_resource(ctx: Context, request: Mapping[str, object]) -> Sequence[Named]:
    """The repository of a request, for IAM."""
    return [await guarded_repository(ctx.tx, repository_key(ctx, request))]


async def created_repository_resource(ctx: Context, request: Mapping[str, object]) -> Sequence[Named]:
    """The repository that a request makes: registry policies of every scope are asked."""
    return [await guarded_repository(ctx.tx, repository_key(ctx, request), "ecr:CreateRepository")]


async def repository_resources(ctx: Context, request: Mapping[str, object]) -> Sequence[Named]:
    """The repositories of DescribeRepositories: those that it names, or all."""
    account = registry_id(ctx, request)
    names = msgspec.convert(request.get("repositoryNames") or ["*"], list[str])
    return [
        await guarded_repository(ctx.tx, RepositoryKey(account, place_of(ctx), name)) for name in dict.fromkeys(names)
    ]


async def registry_resource(ctx: Context, request: object) -> Sequence[Named]:
    """`*`, with the policy of the caller's registry."""
    del request
    return [await guarded_registry(ctx.tx, ctx.account, ctx.region)]


async def named_registry_resource(ctx: Context, request: Mapping[str, object]) -> Sequence[Named]:
    """The registry that `registryId` names: `*` for the caller's own, and for another one something that nothing opens."""
    account = registry_id(ctx, request)
    if account == ctx.account:
        return await registry_resource(ctx, request)
    return [Arn("ecr", ctx.region, account, "*")]


async def tagged_resource(ctx: Context, request: Mapping[str, object]) -> Sequence[Named]:
    """The `resourceArn` of a tagging operation: a repository, or whatever was given."""
    text = str(request["resourceArn"])
    key = tagged_repository(text)
    return [Resource(text) if key is None else await guarded_repository(ctx.tx, key)]


async def request_tags(ctx: Context, request: Mapping[str, object]) -> KeyValues:
    """`aws:RequestTag/…` and `aws:TagKeys` of a request with `tags` or `tagKeys`."""
    del ctx
    if "tagKeys" in request:
        return {"aws:TagKeys": msgspec.convert(request["tagKeys"], list[str])}
    tags = msgspec.convert(request.get("tags") or [], list[_Tag])
    if not tags:
        return {}
    keys: dict[str, str | Sequence[str]] = {f"aws:RequestTag/{tag.key}": tag.value for tag in tags}
    return {**keys, "aws:TagKeys": [tag.key for tag in tags]}
