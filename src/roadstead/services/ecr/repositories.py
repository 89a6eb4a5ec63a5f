"""Repositories: CreateRepository, DescribeRepositories, DeleteRepository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Row, delete, insert, select

from roadstead.kernel.settings import Deployment
from roadstead.services.ecr.errors import (
    InvalidParameterException,
    RepositoryAlreadyExistsException,
    RepositoryNotEmptyException,
    RepositoryNotFoundException,
)
from roadstead.services.ecr.keys import RepositoryKey, is_repository_name
from roadstead.services.ecr.mutability import Mutability, TagMutability
from roadstead.services.ecr.paging import ecr_page, refuse_page_of_named
from roadstead.services.ecr.requests import (
    Response,
    repository_key,
    repository_resource,
    repository_resources,
    require_own_registry,
)
from roadstead.services.ecr.resource_tags import checked_tags
from roadstead.services.ecr.tables import blob_links, images, references, repositories, tags, uploads, within
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        CreateRepositoryRequestTypeDef,
        DeleteRepositoryRequestTypeDef,
        DescribeRepositoriesRequestTypeDef,
        RepositoryTypeDef,
    )


class Encryption(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a repository's content is to be encrypted, as CreateRepository was told."""

    encryption_type: str
    kms_key: str | None = None


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

    def describe(self, deployment: Deployment) -> RepositoryTypeDef:
        """The repository as the API prints it."""
        described: RepositoryTypeDef = {
            "repositoryArn": str(self.key.arn),
            "registryId": self.key.account,
            "repositoryName": self.key.name,
            "repositoryUri": f"{deployment.registry_host(self.key.account, self.key.region)}/{self.key.name}",
            "createdAt": self.created_at,
            "imageTagMutability": self.mutability.setting.value,
            "imageScanningConfiguration": {"scanOnPush": self.scan_on_push},
            "encryptionConfiguration": msgspec.to_builtins(self.encryption),
        }
        if self.mutability.exclusions:
            described["imageTagMutabilityExclusionFilters"] = [
                {"filterType": "WILDCARD", "filter": pattern} for pattern in self.mutability.exclusions
            ]
        return described


async def find_repository(tx: Transaction, key: RepositoryKey) -> Repository | None:
    """The repository, or None."""
    row = (await tx.execute(select(repositories).where(within(repositories, key)))).one_or_none()
    return None if row is None else _repository(row)


async def require_repository(tx: Transaction, key: RepositoryKey) -> Repository:
    """The repository; raises RepositoryNotFoundException."""
    found = await find_repository(tx, key)
    if found is None:
        raise RepositoryNotFoundException.of(key)
    return found


@operation("ecr:CreateRepository", resources=repository_resource)
async def create_repository(ctx: Context, request: CreateRepositoryRequestTypeDef) -> Response:
    """Make a repository (API reference: CreateRepository)."""
    key = repository_key(ctx, request, "CreateRepository")
    if not is_repository_name(key.name):
        raise InvalidParameterException.at("repositoryName", "must be 2 to 256 characters of a repository name")
    if await find_repository(ctx.tx, key) is not None:
        raise RepositoryAlreadyExistsException.of(key)
    encryption = request.get("encryptionConfiguration") or {"encryptionType": "AES256"}
    scanning = request.get("imageScanningConfiguration") or {}
    repository = Repository(
        key=key,
        created_at=ctx.clock.now(),
        mutability=Mutability.checked(
            TagMutability(request.get("imageTagMutability", "MUTABLE")),
            [exclusion["filter"] for exclusion in request.get("imageTagMutabilityExclusionFilters", [])],
        ),
        scan_on_push=scanning.get("scanOnPush", False),
        encryption=msgspec.convert(encryption, Encryption),
        tags=checked_tags(request.get("tags", [])),
    )
    await ctx.tx.execute(insert(repositories).values(_values(repository)))
    ctx.emit("ecr.repository", str(key.arn), {"change": "created", "repository": key.name})
    return {"repository": repository.describe(ctx.deployment)}


@operation("ecr:DescribeRepositories", resources=repository_resources, reads=True)
async def describe_repositories(ctx: Context, request: DescribeRepositoriesRequestTypeDef) -> Response:
    """Describe named repositories, or page through all by name (API reference: DescribeRepositories)."""
    account = request.get("registryId") or ctx.account
    names = request.get("repositoryNames")
    refuse_page_of_named(request, "repositoryNames")
    anywhere = RepositoryKey(account, ctx.region, names[0] if names else "*")
    require_own_registry(ctx, account, "DescribeRepositories", anywhere.arn)
    if names is not None:
        found = await _named(ctx.tx, account, ctx.region, names)
        return {"repositories": [repository.describe(ctx.deployment) for repository in found]}
    stmt = select(repositories).where(repositories.c.account == account, repositories.c.region == ctx.region)
    page = await ecr_page(ctx, request, "DescribeRepositories", stmt, [repositories.c.repository])
    response: Response = {"repositories": [_repository(row).describe(ctx.deployment) for row in page.rows]}
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


@operation("ecr:DeleteRepository", resources=repository_resource)
async def delete_repository(ctx: Context, request: DeleteRepositoryRequestTypeDef) -> Response:
    """Remove a repository, with `force` also one that holds images (API reference: DeleteRepository)."""
    key = repository_key(ctx, request, "DeleteRepository")
    repository = await require_repository(ctx.tx, key)
    if not request.get("force", False):
        image = await ctx.tx.execute(select(images.c.digest).where(within(images, key)).limit(1))
        if image.first() is not None:
            raise RepositoryNotEmptyException.of(key)
    for table in (tags, references, images, blob_links, uploads, repositories):
        await ctx.tx.execute(delete(table).where(within(table, key)))
    ctx.emit("ecr.repository", str(key.arn), {"change": "deleted", "repository": key.name})
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


def _repository(row: Row[*tuple[object, ...]]) -> Repository:
    fields = row._mapping  # pyright: ignore[reportPrivateUsage] - public in spite of its name
    return Repository(
        key=RepositoryKey(fields["account"], fields["region"], fields["repository"]),
        created_at=fields["created_at"],
        mutability=Mutability(TagMutability(fields["tag_mutability"]), tuple(fields["mutability_exclusions"])),
        scan_on_push=bool(fields["scan_on_push"]),
        encryption=msgspec.convert(fields["encryption"], Encryption),
        tags=msgspec.convert(fields["tags"], dict[str, str]),
    )
