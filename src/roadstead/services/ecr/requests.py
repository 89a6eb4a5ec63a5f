"""What the operations on a repository share: which repository a request means, and the ARN that IAM decides about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

import msgspec

from roadstead.kernel.arn import Arn
from roadstead.kernel.errors import AccessDeniedException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.operation import Context

Response = dict[str, object]
"""The members of an operation's output; the codec knows their types from the model."""


def repository_key(ctx: Context, request: Mapping[str, object], operation: str) -> RepositoryKey:
    """The repository that `repositoryName` and `registryId` name. Raises AccessDeniedException for another account's registry."""
    key = _named(ctx, request)
    require_own_registry(ctx, key.account, operation, key.arn)
    return key


def require_own_registry(ctx: Context, registry: str, operation: str, resource: Arn) -> None:
    """Raise AccessDeniedException unless the registry is the caller's own: nothing grants access to another one."""
    if registry != ctx.account:
        deny(ctx, operation, resource)


def deny(ctx: Context, operation: str, resource: Arn) -> NoReturn:
    """Raise the error of a resource that no resource-based policy opens."""
    raise AccessDeniedException(
        f"User: {ctx.principal.arn} is not authorized to perform: ecr:{operation} on resource: {resource} "
        f"because no resource-based policy allows the ecr:{operation} action"
    )


async def repository_resource(ctx: Context, request: Mapping[str, object]) -> Sequence[Arn]:
    """The repository of a request, for IAM."""
    return [_named(ctx, request).arn]


async def repository_resources(ctx: Context, request: Mapping[str, object]) -> Sequence[Arn]:
    """The repositories of DescribeRepositories: those that it names, or all."""
    account = str(request.get("registryId") or ctx.account)
    names = msgspec.convert(request.get("repositoryNames") or ["*"], list[str])
    return [RepositoryKey(account, ctx.region, name).arn for name in names]


async def tagged_resource(ctx: Context, request: Mapping[str, object]) -> Sequence[Arn | str]:
    """The `resourceArn` of a tagging operation, as it was given."""
    return [str(request["resourceArn"])]


def _named(ctx: Context, request: Mapping[str, object]) -> RepositoryKey:
    return RepositoryKey(str(request.get("registryId") or ctx.account), ctx.region, str(request["repositoryName"]))
