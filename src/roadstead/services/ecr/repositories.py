"""Repositories: CreateRepository, DescribeRepositories, DeleteRepository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, func, insert, select

from roadstead.kernel.settings import Deployment
from roadstead.services.ecr.blobs import RegistryStorage, unlink_all
from roadstead.services.ecr.encryption import Encryption, checked_encryption
from roadstead.services.ecr.errors import (
    InvalidParameterException,
    RepositoryAlreadyExistsException,
    RepositoryNotEmptyException,
    RepositoryNotFoundException,
)
from roadstead.services.ecr.keys import RepositoryKey, is_repository_name
from roadstead.services.ecr.mutability import Mutability, TagMutability
from roadstead.services.ecr.paging import ecr_page, refuse_page_of_named
from roadstead.services.ecr.quotas import RegistryLimits
from roadstead.services.ecr.repository_events import emit_repository
from roadstead.services.ecr.requests import (
    Response,
    created_repository_resource,
    place_of,
    registry_id,
    repository_key,
    repository_resource,
    repository_resources,
    request_tags,
)
from roadstead.services.ecr.resource_tags import checked_tags
from roadstead.services.ecr.tables import (
    catalog_data,
    images,
    lifecycle_preview_images,
    lifecycle_previews,
    place,
    references,
    registry_of,
    repositories,
    tags,
    uploads,
    within,
    within_place,
)
from roadstead.services.operation import Context, operation
from roadstead.store import Lookup, Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        CreateRepositoryRequestTypeDef,
        DeleteRepositoryRequestTypeDef,
        DescribeRepositoriesRequestTypeDef,
    )


_OF_REPOSITORY = (
    tags,
    references,
    images,
    uploads,
    lifecycle_preview_images,
    lifecycle_previews,
    catalog_data,
    repositories,
)
"""The tables whose rows go with their repository."""

_columns = repositories.c
_SETTINGS = select(
    _columns.account,
    _columns.region,
    _columns.repository,
    _columns.created_at,
    _columns.tag_mutability,
    _columns.mutability_exclusions,
    _columns.scan_on_push,
    _columns.encryption,
    _columns.tags,
)
_FOUND = Lookup(_SETTINGS.where(within_place(repositories)))


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository's settings."""

    key: RepositoryKey
    created_at: datetime
    mutability: Mutability
    scan_on_push: bool
    encryption: Encryption
    tags: Mapping[str, str]
    """Resource tags."""

    def describe(self, deployment: Deployment) -> Response:
        """The repository as the API prints it."""
        return {
            "repositoryArn": str(self.key.arn),
            "registryId": self.key.account,
            "repositoryName": self.key.name,
            "repositoryUri": f"{deployment.registry_host(self.key.account, self.key.region)}/{self.key.name}",
            "createdAt": self.created_at,
            "imageScanningConfiguration": {"scanOnPush": self.scan_on_push},
            "encryptionConfiguration": msgspec.to_builtins(self.encryption),
            **self.mutability.describe(),
        }


async def find_repository(tx: Transaction, key: RepositoryKey) -> Repository | None:
    """The repository, or None."""
    rows = await tx.look_up(_FOUND, **place(key))
    return _repository(rows[0]) if rows else None


async def require_repository(tx: Transaction, key: RepositoryKey) -> Repository:
    """The repository; raises RepositoryNotFoundException."""
    found = await find_repository(tx, key)
    if found is None:
        raise RepositoryNotFoundException.of(key)
    return found


async def list_repositories(tx: Transaction, registry: RepositoryKey, *, after: str, limit: int) -> Sequence[str]:
    """Up to `limit` names of a registry's repositories in lexical order, after the name `after`; `registry` is any key of it."""
    name = repositories.c.repository
    stmt = select(name).where(registry_of(repositories, registry.account, registry.region), name > after)
    return (await tx.execute(stmt.order_by(name).limit(limit))).scalars()


async def insert_repository(
    tx: Transaction,
    repository: Repository,
    limits: RegistryLimits,
    *,
    policy: str | None = None,
    lifecycle_policy: str | None = None,
) -> None:
    """Store a new repository; the policies were checked. Raises LimitExceededException."""
    account, region = repository.key.account, repository.key.region
    present = select(func.count()).select_from(repositories).where(registry_of(repositories, account, region))
    message = f"The registry with id '{account}' has all the repositories that it may have"
    name, _ = limits.of(repository.key, "RepositoriesPerRegistry")
    await limits.take(tx, name, (account, region), present, message)
    due_at = None if lifecycle_policy is None else repository.created_at
    more = {"policy": policy, "lifecycle_policy": lifecycle_policy, "lifecycle_due_at": due_at}
    await tx.execute(insert(repositories).values(**_values(repository), **more))
    emit_repository(tx, repository.key, "created")


@operation("ecr:CreateRepository", resources=created_repository_resource, keys=request_tags)
async def create_repository(ctx: Context, request: CreateRepositoryRequestTypeDef) -> Response:
    """Make a repository (API reference: CreateRepository)."""
    key = repository_key(ctx, request)
    if not is_repository_name(key.name):
        raise InvalidParameterException.at("repositoryName", "must be 2 to 256 characters of a repository name")
    if await find_repository(ctx.tx, key) is not None:
        raise RepositoryAlreadyExistsException.of(key)
    encryption = msgspec.convert(request.get("encryptionConfiguration") or {"encryptionType": "AES256"}, Encryption)
    scanning = request.get("imageScanningConfiguration") or {}
    repository = Repository(
        key=key,
        created_at=ctx.clock.now(),
        mutability=Mutability.requested(request),
        scan_on_push=scanning.get("scanOnPush", False),
        encryption=checked_encryption(encryption),
        tags=checked_tags(request.get("tags", [])),
    )
    await insert_repository(ctx.tx, repository, ctx.component(RegistryStorage).limits)
    return {"repository": repository.describe(ctx.deployment)}


@operation("ecr:DescribeRepositories", resources=repository_resources, reads=True)
async def describe_repositories(ctx: Context, request: DescribeRepositoriesRequestTypeDef) -> Response:
    """Describe named repositories, or page through all by name (API reference: DescribeRepositories)."""
    account = registry_id(ctx, request)
    names = request.get("repositoryNames")
    refuse_page_of_named(request, "repositoryNames")
    if names is not None:
        found = await _named(ctx.tx, account, place_of(ctx), names)
        return {"repositories": [repository.describe(ctx.deployment) for repository in found]}
    stmt = _SETTINGS.where(repositories.c.account == account, repositories.c.region == place_of(ctx))
    page = await ecr_page(ctx, request, "DescribeRepositories", stmt, [repositories.c.repository])
    response: Response = {"repositories": [_repository(row).describe(ctx.deployment) for row in page.rows]}
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


@operation("ecr:DeleteRepository", resources=repository_resource)
async def delete_repository(ctx: Context, request: DeleteRepositoryRequestTypeDef) -> Response:
    """Remove a repository, with `force` also one that holds images (API reference: DeleteRepository)."""
    key = repository_key(ctx, request)
    repository = await require_repository(ctx.tx, key)
    if not request.get("force", False):
        image = await ctx.tx.execute(select(images.c.digest).where(within(images, key)).limit(1))
        if image.first() is not None:
            raise RepositoryNotEmptyException.of(key)
    await unlink_all(ctx.tx, key)
    for table in _OF_REPOSITORY:
        await ctx.tx.execute(delete(table).where(within(table, key)))
    emit_repository(ctx.tx, key, "deleted")
    return {"repository": repository.describe(ctx.deployment)}


async def _named(tx: Transaction, account: str, region: str, names: Sequence[str]) -> list[Repository]:
    return [await require_repository(tx, RepositoryKey(account, region, name)) for name in dict.fromkeys(names)]


def _values(repository: Repository) -> dict[str, object]:
    return {
        "account": repository.key.account,
        "region": repository.key.region,
        "repository": repository.key.name,
        "created_at": repository.created_at,
        "tag_mutability": repository.mutability.setting.value,
        "mutability_exclusions": list(repository.mutability.exclusions),
        "scan_on_push": int(repository.scan_on_push),
        "encryption": repository.encryption,
        "tags": dict(repository.tags),
    }


def _repository(row: Sequence[Any]) -> Repository:
    account, region, name, created_at, mutability, exclusions, scan_on_push, encryption, tags = row
    return Repository(
        key=RepositoryKey(account, region, name),
        created_at=created_at,
        mutability=Mutability(TagMutability(mutability), tuple(exclusions)),
        scan_on_push=bool(scan_on_push),
        encryption=msgspec.convert(encryption, Encryption),
        tags=msgspec.convert(tags, dict[str, str]),
    )
