"""Public registries: DescribeRegistries, GetRegistryCatalogData, PutRegistryCatalogData; and their aliases.

AWS has no operation that makes an alias (its support does): `roadstead:PutRegistryAlias` and `roadstead:DeleteRegistryAlias` stand in for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import insert, select, update

from roadstead.access.resource import Named
from roadstead.kernel.arn import Arn
from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.ecr.keys import PUBLIC
from roadstead.services.ecr.public.aliases import aliases_of, choose_alias, give_up_alias, primary_alias
from roadstead.services.ecr.public.errors import RegistryNotFoundException
from roadstead.services.ecr.public.requests import public_operation
from roadstead.services.ecr.registry_events import emit_registry
from roadstead.services.ecr.requests import Response
from roadstead.services.ecr.tables import public_registries
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction


def registry_arn(account: str) -> Arn:
    """`arn:aws:ecr-public::ACCOUNT:registry/ACCOUNT`."""
    return Arn("ecr-public", "", account, f"registry/{account}")


async def registry_resource(ctx: Context, request: object) -> Sequence[Named]:
    """The caller's registry, for IAM."""
    del request
    return [registry_arn(ctx.account)]


@public_operation("DescribeRegistries", resources=registry_resource, reads=True)
async def describe_registries(ctx: Context, request: Mapping[str, object]) -> Response:
    """The caller's registry: every account has one (API reference: DescribeRegistries)."""
    if "nextToken" in request:
        raise InvalidParameterException.at("nextToken", "Invalid token")
    found = await aliases_of(ctx.tx, ctx.account)
    registry = {
        "registryId": ctx.account,
        "registryArn": str(registry_arn(ctx.account)),
        "registryUri": f"{ctx.deployment.public_registry_host}/{await primary_alias(ctx.tx, ctx.account)}",
        "verified": False,
        "aliases": [alias.describe() for alias in found],
    }
    return {"registries": [registry]}


@public_operation("GetRegistryCatalogData", resources=registry_resource, reads=True)
async def get_registry_catalog_data(ctx: Context, request: Mapping[str, object]) -> Response:
    """The registry's name for people (API reference: GetRegistryCatalogData)."""
    del request
    return {"registryCatalogData": {"displayName": await display_name(ctx.tx, ctx.account)}}


@public_operation("PutRegistryCatalogData", resources=registry_resource)
async def put_registry_catalog_data(ctx: Context, request: Mapping[str, object]) -> Response:
    """Name the registry for people (API reference: PutRegistryCatalogData)."""
    name = str(request.get("displayName", ""))
    changed = await ctx.tx.execute(
        update(public_registries).where(public_registries.c.account == ctx.account).values(display_name=name)
    )
    if not changed.rowcount:
        await ctx.tx.execute(insert(public_registries).values(account=ctx.account, display_name=name))
    emit_registry(ctx.tx, ctx.account, PUBLIC, "catalog", displayName=name)
    return {"registryCatalogData": {"displayName": name}}


@operation("roadstead:PutRegistryAlias", resources=registry_resource)
async def put_registry_alias(ctx: Context, request: Mapping[str, object]) -> Response:
    """Give the caller's public registry an alias, or make one of its aliases the primary."""
    alias = await choose_alias(ctx.tx, ctx.account, str(request["name"]), primary=bool(request.get("primary", False)))
    return {"alias": alias.describe()}


@operation("roadstead:DeleteRegistryAlias", resources=registry_resource)
async def delete_registry_alias(ctx: Context, request: Mapping[str, object]) -> Response:
    """Give up an alias that was chosen."""
    name = str(request["name"])
    if not await give_up_alias(ctx.tx, ctx.account, name):
        raise RegistryNotFoundException.of(name)
    return {}


async def display_name(tx: Transaction, account: str) -> str:
    """The registry's name for people, or nothing."""
    stmt = select(public_registries.c.display_name).where(public_registries.c.account == account)
    return str((await tx.execute(stmt)).scalar() or "")
