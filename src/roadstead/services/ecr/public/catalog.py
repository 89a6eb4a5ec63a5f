"""Catalog data: what the gallery shows of a repository (API reference: PutRepositoryCatalogData, GetRepositoryCatalogData)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import insert, select, update

from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.public.aliases import primary_alias
from roadstead.services.ecr.public.errors import RepositoryCatalogDataNotFoundException
from roadstead.services.ecr.public.requests import public_operation
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.repository_events import emit_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.tables import catalog_data, place, within
from roadstead.services.operation import Context
from roadstead.store import Transaction

LOGO_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
"""How the content of a logo begins, and its media type."""

_COLUMNS = {
    "description": "description",
    "aboutText": "about",
    "usageText": "usage",
    "architectures": "architectures",
    "operatingSystems": "operating_systems",
    "logoImageBlob": "logo",
}
_LISTS = ("architectures", "operating_systems")


@public_operation("PutRepositoryCatalogData", resources=repository_resource)
async def put_repository_catalog_data(ctx: Context, request: Mapping[str, object]) -> Response:
    """Set the catalog data, all of it: what is not given is taken away (API reference: PutRepositoryCatalogData)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    await put_catalog(ctx.tx, key, msgspec.convert(request["catalogData"], dict[str, object]))
    return {"catalogData": await describe_catalog(ctx, key)}


@public_operation("GetRepositoryCatalogData", resources=repository_resource, reads=True)
async def get_repository_catalog_data(ctx: Context, request: Mapping[str, object]) -> Response:
    """The catalog data (API reference: GetRepositoryCatalogData)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    return {"catalogData": await describe_catalog(ctx, key)}


async def put_catalog(tx: Transaction, key: RepositoryKey, given: Mapping[str, object]) -> None:
    """Store catalog data as an operation was given it; raises InvalidParameterException."""
    values: dict[str, object] = {column: given.get(member) for member, column in _COLUMNS.items()}
    for column in _LISTS:
        values[column] = list_text(msgspec.convert(values[column] or [], list[str]))
    logo = values["logo"]
    if isinstance(logo, bytes) and logo_type(logo) is None:
        raise InvalidParameterException.at("logoImageBlob", "must be a PNG or JPEG image")
    values["changed_at"] = tx.clock.now()
    changed = await tx.execute(update(catalog_data).where(within(catalog_data, key)).values(**values))
    if not changed.rowcount:
        await tx.execute(insert(catalog_data).values(**place(key), **values))
    emit_repository(tx, key, "catalog")


async def describe_catalog(ctx: Context, key: RepositoryKey) -> Response:
    """The catalog data as the API prints it; raises RepositoryCatalogDataNotFoundException."""
    row = (await ctx.tx.execute(select(catalog_data).where(within(catalog_data, key)))).one_or_none()
    if row is None:
        raise RepositoryCatalogDataNotFoundException.of(key)
    described: Response = {
        "description": row.description,
        "architectures": listed(row.architectures),
        "operatingSystems": listed(row.operating_systems),
        "aboutText": row.about,
        "usageText": row.usage,
        "marketplaceCertified": False,
    }
    if row.logo is not None:
        described["logoUrl"] = await logo_url(ctx, key)
    return {name: value for name, value in described.items() if value is not None}


async def logo_url(ctx: Context, key: RepositoryKey) -> str:
    """Where the registry's edge serves the logo to everybody."""
    alias = await primary_alias(ctx.tx, key.account)
    return f"http://{ctx.deployment.public_registry_host}/v2/_logos/{alias}/{key.name}"


async def find_logo(tx: Transaction, key: RepositoryKey) -> tuple[str, bytes] | None:
    """A repository's logo and its media type."""
    row = (await tx.execute(select(catalog_data.c.logo).where(within(catalog_data, key)))).one_or_none()
    if row is None or row[0] is None:
        return None
    content = bytes(row[0])
    return logo_type(content) or "application/octet-stream", content


def logo_type(content: bytes) -> str | None:
    """The media type of an image by its first bytes."""
    return next((kind for start, kind in LOGO_TYPES.items() if content.startswith(start)), None)


def list_text(values: Sequence[str]) -> str:
    """A list as one text in which a value can be looked for: every value has a line."""
    return "".join(f"\n{value.replace(chr(10), ' ')}\n" for value in dict.fromkeys(values))


def listed(text: str | None) -> list[str]:
    """The list of such a text."""
    return [value for value in (text or "").split("\n") if value]
