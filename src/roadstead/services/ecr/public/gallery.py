"""The gallery: every public repository of the deployment, for everybody who may sign in. AWS's own gallery is a web page without an API.

`roadstead:ListGalleryRepositories` and `roadstead:GetGalleryRepository` are what a console shows it with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select

from roadstead.services.ecr.errors import RepositoryNotFoundException
from roadstead.services.ecr.keys import PUBLIC, RepositoryKey
from roadstead.services.ecr.paging import ecr_page
from roadstead.services.ecr.public.aliases import account_of
from roadstead.services.ecr.public.catalog import list_text, listed, logo_url
from roadstead.services.ecr.public.errors import RegistryNotFoundException
from roadstead.services.ecr.public.registries import display_name
from roadstead.services.ecr.requests import Response
from roadstead.services.ecr.tables import aliases, catalog_data, repositories, tags, within
from roadstead.services.operation import Context, operation

_SHOWN_TAGS = 20
"""How many of its newest tags a repository's page has."""


@operation("roadstead:ListGalleryRepositories", reads=True)
async def list_gallery_repositories(ctx: Context, request: Mapping[str, object]) -> Response:
    """Page through public repositories whose alias, name or description holds `searchTerm`, by architecture and operating system."""
    stmt = _everything().where(
        *_holding(str(request.get("searchTerm") or "")),
        *_listing(catalog_data.c.architectures, request.get("architecture")),
        *_listing(catalog_data.c.operating_systems, request.get("operatingSystem")),
    )
    page = await ecr_page(ctx, request, "ListGalleryRepositories", stmt, [aliases.c.alias, repositories.c.repository])
    response: Response = {"repositories": [await _shown(ctx, row) for row in page.rows]}
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


@operation("roadstead:GetGalleryRepository", reads=True)
async def get_gallery_repository(ctx: Context, request: Mapping[str, object]) -> Response:
    """A public repository's page: what it says of itself, and its newest tags."""
    alias, name = str(request["registryAlias"]), str(request["repositoryName"])
    account = await account_of(ctx.tx, alias)
    if account is None:
        raise RegistryNotFoundException.of(alias)
    key = RepositoryKey(account, PUBLIC, name)
    primary = _everything().where(repositories.c.account == account, repositories.c.repository == name)
    row = (await ctx.tx.execute(primary)).one_or_none()
    if row is None:
        raise RepositoryNotFoundException.of(key)
    newest = select(tags.c.tag, tags.c.digest, tags.c.tagged_at).where(within(tags, key))
    found = (await ctx.tx.execute(newest.order_by(tags.c.tagged_at.desc(), tags.c.tag).limit(_SHOWN_TAGS))).all()
    count = (await ctx.tx.execute(select(func.count()).select_from(tags).where(within(tags, key)))).scalar()
    shown = await _shown(ctx, row)
    texts = {"aboutText": row.about, "usageText": row.usage}
    return {
        "repository": {
            **shown,
            **{member: text for member, text in texts.items() if text},
            "tagCount": int(count or 0),
            "tags": [{"imageTag": tag, "imageDigest": digest, "createdAt": at} for tag, digest, at in found],
        }
    }


def _everything() -> Select[*tuple[Any, ...]]:
    """Every public repository under its registry's primary alias, with its catalog data where it has some."""
    same = and_(
        catalog_data.c.account == repositories.c.account,
        catalog_data.c.region == repositories.c.region,
        catalog_data.c.repository == repositories.c.repository,
    )
    named = and_(aliases.c.account == repositories.c.account, aliases.c.is_primary == 1)
    return (
        select(
            repositories.c.account,
            repositories.c.repository,
            repositories.c.created_at,
            aliases.c.alias,
            catalog_data.c.description,
            catalog_data.c.about,
            catalog_data.c.usage,
            catalog_data.c.architectures,
            catalog_data.c.operating_systems,
            catalog_data.c.logo.is_not(None).label("has_logo"),
        )
        .select_from(repositories.join(aliases, named).outerjoin(catalog_data, same))
        .where(repositories.c.region == PUBLIC)
    )


async def _shown(ctx: Context, row: Row[*tuple[Any, ...]]) -> Response:
    """What lists and pages show of a repository."""
    key = RepositoryKey(row.account, PUBLIC, row.repository)
    shown: Response = {
        "registryAlias": row.alias,
        "registryDisplayName": await display_name(ctx.tx, row.account) or None,
        "verified": False,
        "repositoryName": row.repository,
        "repositoryUri": f"{ctx.deployment.public_registry_host}/{row.alias}/{row.repository}",
        "createdAt": row.created_at,
        "description": row.description or None,
        "architectures": listed(row.architectures),
        "operatingSystems": listed(row.operating_systems),
        "logoUrl": await logo_url(ctx, key) if row.has_logo else None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _holding(term: str) -> list[ColumnElement[bool]]:
    """The condition that one of the texts has `term` in it, whatever the case."""
    if not term:
        return []
    texts = (aliases.c.alias, repositories.c.repository, catalog_data.c.description)
    return [or_(*(func.lower(text).contains(term.lower(), autoescape=True) for text in texts))]


def _listing(column: ColumnElement[str], value: object) -> list[ColumnElement[bool]]:
    """The condition that a list has this value."""
    return [column.contains(list_text([str(value)]), autoescape=True)] if value else []
