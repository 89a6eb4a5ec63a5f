"""Repository creation templates: CreateRepositoryCreationTemplate and its kin. `creation` makes repositories by them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update

from roadstead.services.ecr.encryption import Encryption, checked_encryption
from roadstead.services.ecr.errors import (
    InvalidParameterException,
    TemplateAlreadyExistsException,
    TemplateNotFoundException,
)
from roadstead.services.ecr.lifecycle_policies import checked_rules
from roadstead.services.ecr.mutability import Mutability
from roadstead.services.ecr.paging import ecr_page, refuse_page_of_named
from roadstead.services.ecr.policy_texts import check_repository_policy
from roadstead.services.ecr.prefixes import normal_prefix, prefixes_of
from roadstead.services.ecr.quotas import check_quota
from roadstead.services.ecr.registry_events import emit_registry
from roadstead.services.ecr.requests import Response, registry_resource
from roadstead.services.ecr.resource_tags import checked_tags
from roadstead.services.ecr.tables import creation_templates, registry_of
from roadstead.services.iam.api import pass_to_service
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        CreateRepositoryCreationTemplateRequestTypeDef,
        DeleteRepositoryCreationTemplateRequestTypeDef,
        DescribeRepositoryCreationTemplatesRequestTypeDef,
        UpdateRepositoryCreationTemplateRequestTypeDef,
    )


class _Tag(msgspec.Struct):
    Key: str
    Value: str


class _Exclusion(msgspec.Struct, rename="camel"):
    filter_type: str
    filter: str


class Template(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What repositories that come to be by a template are like, as the API describes it."""

    description: str | None = None
    encryption_configuration: Encryption = Encryption("AES256")
    resource_tags: list[_Tag] = []
    image_tag_mutability: str = "MUTABLE"
    image_tag_mutability_exclusion_filters: list[_Exclusion] = []
    repository_policy: str | None = None
    lifecycle_policy: str | None = None
    applied_for: list[str] = []
    custom_role_arn: str | None = None

    @property
    def mutability(self) -> Mutability:
        """Whether tags can be moved."""
        return Mutability.requested(msgspec.to_builtins(self))

    @property
    def tags(self) -> Mapping[str, str]:
        """Resource tags."""
        return {tag.Key: tag.Value for tag in self.resource_tags}


@operation("ecr:CreateRepositoryCreationTemplate", resources=registry_resource)
async def create_repository_creation_template(
    ctx: Context, request: CreateRepositoryCreationTemplateRequestTypeDef
) -> Response:
    """Say how repositories below a prefix come to be (API reference: CreateRepositoryCreationTemplate)."""
    prefix = normal_prefix(request["prefix"])
    template = _checked(ctx, msgspec.convert(request, Template))
    await _pass_role(ctx, request)
    if await _row(ctx.tx, ctx.account, ctx.region, prefix) is not None:
        raise TemplateAlreadyExistsException.of(ctx.account, prefix)
    mine = registry_of(creation_templates, ctx.account, ctx.region)
    present = (await ctx.tx.execute(select(func.count()).select_from(creation_templates).where(mine))).scalar()
    message = "The registry has all the repository creation templates it may have"
    check_quota(ctx.deployment, "RepositoryCreationTemplates", int(present or 0), message)
    now = ctx.clock.now()
    row = {"account": ctx.account, "region": ctx.region, "prefix": prefix, "settings": template}
    await ctx.tx.execute(insert(creation_templates).values(**row, created_at=now, updated_at=now))
    emit_registry(ctx.tx, ctx.account, ctx.region, "template-created", prefix=prefix)
    return _answer(ctx, _described(prefix, template, now, now))


@operation("ecr:UpdateRepositoryCreationTemplate", resources=registry_resource)
async def update_repository_creation_template(
    ctx: Context, request: UpdateRepositoryCreationTemplateRequestTypeDef
) -> Response:
    """Change what the request names of a template (API reference: UpdateRepositoryCreationTemplate)."""
    row = await _require(ctx, request["prefix"])
    given = {name: value for name, value in request.items() if name != "prefix"}
    if given.get("imageTagMutability") in ("MUTABLE", "IMMUTABLE"):
        given.setdefault("imageTagMutabilityExclusionFilters", [])
    settings = {**msgspec.convert(row.settings, dict[str, object]), **given}
    template = _checked(ctx, msgspec.convert(settings, Template))
    await _pass_role(ctx, request)
    now = ctx.clock.now()
    changes = {"settings": template, "updated_at": now}
    await ctx.tx.execute(update(creation_templates).where(_this(ctx, row.prefix)).values(**changes))
    emit_registry(ctx.tx, ctx.account, ctx.region, "template-updated", prefix=row.prefix)
    return _answer(ctx, _described(row.prefix, template, row.created_at, now))


@operation("ecr:DeleteRepositoryCreationTemplate", resources=registry_resource)
async def delete_repository_creation_template(
    ctx: Context, request: DeleteRepositoryCreationTemplateRequestTypeDef
) -> Response:
    """Take a template away; repositories that it made stay (API reference: DeleteRepositoryCreationTemplate)."""
    row = await _require(ctx, request["prefix"])
    await ctx.tx.execute(delete(creation_templates).where(_this(ctx, row.prefix)))
    emit_registry(ctx.tx, ctx.account, ctx.region, "template-deleted", prefix=row.prefix)
    return _answer(ctx, _of_row(row))


@operation("ecr:DescribeRepositoryCreationTemplates", resources=registry_resource, reads=True)
async def describe_repository_creation_templates(
    ctx: Context, request: DescribeRepositoryCreationTemplatesRequestTypeDef
) -> Response:
    """The templates, or those with the prefixes that are named (API reference: DescribeRepositoryCreationTemplates)."""
    refuse_page_of_named(request, "prefixes")
    prefixes = request.get("prefixes")
    if prefixes is not None:
        rows = [await _require(ctx, prefix) for prefix in dict.fromkeys(prefixes)]
        return {"registryId": ctx.account, "repositoryCreationTemplates": [_of_row(row) for row in rows]}
    stmt = select(creation_templates).where(registry_of(creation_templates, ctx.account, ctx.region))
    page = await ecr_page(ctx, request, "DescribeRepositoryCreationTemplates", stmt, [creation_templates.c.prefix])
    response: Response = {
        "registryId": ctx.account,
        "repositoryCreationTemplates": [_of_row(row) for row in page.rows],
    }
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


async def template_for(tx: Transaction, account: str, region: str, name: str, reason: str) -> Template | None:
    """The template with the longest prefix of a repository's name, if it applies for `reason` (CREATE_ON_PUSH, PULL_THROUGH_CACHE)."""
    table, prefixes = creation_templates, prefixes_of(name)
    stmt = select(table.c.prefix, table.c.settings).where(
        registry_of(table, account, region), table.c.prefix.in_(prefixes)
    )
    found = {str(row.prefix): msgspec.convert(row.settings, Template) for row in (await tx.execute(stmt)).all()}
    fitting = (found[prefix] for prefix in prefixes if prefix in found and reason in found[prefix].applied_for)
    return next(fitting, None)


def _checked(ctx: Context, template: Template) -> Template:
    checked_encryption(template.encryption_configuration)
    checked_tags([{"Key": tag.Key, "Value": tag.Value} for tag in template.resource_tags])
    _ = template.mutability
    if template.repository_policy:
        check_repository_policy(template.repository_policy)
    if template.lifecycle_policy:
        checked_rules(ctx, template.lifecycle_policy)
    if not template.applied_for:
        raise InvalidParameterException.at("appliedFor", "Member must have length greater than or equal to 1")
    return replace(
        template,
        repository_policy=template.repository_policy or None,  # an empty text takes a policy away
        lifecycle_policy=template.lifecycle_policy or None,
    )


async def _pass_role(ctx: Context, request: Mapping[str, object]) -> None:
    role = request.get("customRoleArn")
    if role:
        await pass_to_service(ctx, [str(role)], "ecr.amazonaws.com")


async def _row(tx: Transaction, account: str, region: str, prefix: str) -> Row[*tuple[object, ...]] | None:
    mine = registry_of(creation_templates, account, region) & (creation_templates.c.prefix == prefix)
    return (await tx.execute(select(creation_templates).where(mine))).one_or_none()


async def _require(ctx: Context, prefix: str) -> Row[*tuple[object, ...]]:
    row = await _row(ctx.tx, ctx.account, ctx.region, normal_prefix(prefix))
    if row is None:
        raise TemplateNotFoundException.of(ctx.account, normal_prefix(prefix))
    return row


def _this(ctx: Context, prefix: str) -> ColumnElement[bool]:
    return registry_of(creation_templates, ctx.account, ctx.region) & (creation_templates.c.prefix == prefix)


def _answer(ctx: Context, described: Response) -> Response:
    return {"registryId": ctx.account, "repositoryCreationTemplate": described}


def _of_row(row: Row[*tuple[object, ...]]) -> Response:
    return _described(row.prefix, msgspec.convert(row.settings, Template), row.created_at, row.updated_at)


def _described(prefix: str, template: Template, created_at: datetime, updated_at: datetime) -> Response:
    times = {"createdAt": created_at, "updatedAt": updated_at}
    always = {
        "encryptionConfiguration": msgspec.to_builtins(template.encryption_configuration),
        "imageTagMutability": template.image_tag_mutability,
    }
    return {"prefix": prefix, **always, **msgspec.to_builtins(template), **times}
