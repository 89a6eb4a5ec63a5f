"""Public repositories: CreateRepository, DescribeRepositories, DeleteRepository (API reference: ECR Public)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import msgspec

from roadstead.services.ecr import repositories as private
from roadstead.services.ecr.blobs import RegistryStorage
from roadstead.services.ecr.encryption import Encryption
from roadstead.services.ecr.errors import InvalidParameterException, RepositoryAlreadyExistsException
from roadstead.services.ecr.keys import is_repository_name
from roadstead.services.ecr.mutability import Mutability, TagMutability
from roadstead.services.ecr.public.aliases import ensure_default, primary_alias
from roadstead.services.ecr.public.catalog import describe_catalog, put_catalog
from roadstead.services.ecr.public.requests import public_operation
from roadstead.services.ecr.repositories import Repository, find_repository, insert_repository
from roadstead.services.ecr.requests import (
    Response,
    repository_key,
    repository_resource,
    repository_resources,
    request_tags,
)
from roadstead.services.ecr.resource_tags import checked_tags
from roadstead.services.operation import Context

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        CreateRepositoryRequestTypeDef,
        DeleteRepositoryRequestTypeDef,
        DescribeRepositoriesRequestTypeDef,
    )

MAX_NAME = 205
_MEMBERS = ("repositoryArn", "registryId", "repositoryName", "createdAt")


@public_operation("CreateRepository", resources=repository_resource, keys=request_tags)
async def create_repository(ctx: Context, request: CreateRepositoryRequestTypeDef) -> Response:
    """Make a public repository, and with the first one the registry's default alias (API reference: CreateRepository)."""
    key = repository_key(ctx, request)
    if not is_repository_name(key.name) or len(key.name) > MAX_NAME:
        raise InvalidParameterException.at("repositoryName", f"must be 2 to {MAX_NAME} characters of a repository name")
    if await find_repository(ctx.tx, key) is not None:
        raise RepositoryAlreadyExistsException.of(key)
    await ensure_default(ctx.tx, key.account)
    repository = Repository(
        key=key,
        created_at=ctx.clock.now(),
        mutability=Mutability(TagMutability.MUTABLE),
        scan_on_push=False,
        encryption=Encryption("AES256"),
        tags=checked_tags(request.get("tags", [])),
    )
    await insert_repository(ctx.tx, repository, ctx.component(RegistryStorage).limits)
    response: Response = {"repository": await _public(ctx, repository.describe(ctx.deployment))}
    given = cast("Mapping[str, object]", request).get("catalogData")
    if given is not None:
        await put_catalog(ctx.tx, key, msgspec.convert(given, dict[str, object]))
        response["catalogData"] = await describe_catalog(ctx, key)
    return response


@public_operation("DescribeRepositories", resources=repository_resources, reads=True)
async def describe_repositories(ctx: Context, request: DescribeRepositoriesRequestTypeDef) -> Response:
    """Describe named public repositories, or page through all by name (API reference: DescribeRepositories)."""
    response = await private.describe_repositories(ctx, request)
    found = msgspec.convert(response["repositories"], list[dict[str, object]])
    return {**response, "repositories": [await _public(ctx, described) for described in found]}


@public_operation("DeleteRepository", resources=repository_resource)
async def delete_repository(ctx: Context, request: DeleteRepositoryRequestTypeDef) -> Response:
    """Remove a public repository, with `force` also one that holds images (API reference: DeleteRepository)."""
    response = await private.delete_repository(ctx, request)
    return {"repository": await _public(ctx, msgspec.convert(response["repository"], dict[str, object]))}


async def _public(ctx: Context, described: Response) -> Response:
    """What ECR Public says of a repository: its URI has the registry's primary alias."""
    alias = await primary_alias(ctx.tx, str(described["registryId"]))
    uri = f"{ctx.deployment.public_registry_host}/{alias}/{described['repositoryName']}"
    return {**{name: described[name] for name in _MEMBERS}, "repositoryUri": uri}
