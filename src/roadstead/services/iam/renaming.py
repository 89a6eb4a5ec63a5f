"""A new name or path for a user or a group (UpdateUser, UpdateGroup): what belongs to it goes with the name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, update

from roadstead.access.resource import Named
from roadstead.access.revisions import touch_account
from roadstead.access.tables import attached_policies, inline_policies
from roadstead.services.iam.entities import (
    EntityKind,
    Resources,
    entity_arn,
    entity_resource,
    name_taken,
    require_entity,
)
from roadstead.services.iam.errors import EntityAlreadyExistsException
from roadstead.services.iam.tables import action_uses
from roadstead.services.iam.tag_rows import move_tags
from roadstead.services.operation import Context

_BY_ENTITY = (inline_policies, attached_policies, action_uses)


def both_names(kind: EntityKind) -> Resources:
    """The entity under the old name and, where it moves, under the new one: both must be allowed."""

    async def resources(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
        name = request[kind.member]
        old = await entity_resource(ctx, kind, name)
        if f"New{kind.member}" not in request and "NewPath" not in request:
            return [old]
        row = await require_entity(ctx, kind, name)
        path = request.get("NewPath", str(row.path))
        return [old, entity_arn(ctx.account, kind.stored, path, request.get(f"New{kind.member}", name))]

    return resources


async def rename(ctx: Context, kind: EntityKind, request: Mapping[str, Any], belongings: Sequence[Table]) -> None:
    """Give the entity its new name and path; `belongings` have its name in a column that is called as in the entity's own table.

    Raises NoSuchEntity, EntityAlreadyExists.
    """
    old = request[kind.member]
    row = await require_entity(ctx, kind, old)
    new = request.get(f"New{kind.member}", old)
    if new != old:
        taken = await name_taken(ctx.tx, ctx.account, kind.table, kind.name, new)
        if taken not in (None, old):
            raise EntityAlreadyExistsException(f"{kind.title} with name {new} already exists.")
    stmt = update(kind.table).where(kind.table.c.account == ctx.account, kind.name == old)
    await ctx.tx.execute(stmt.values({kind.name.name: new, "path": request.get("NewPath", row.path)}))
    if new != old:
        await _move(ctx, kind, belongings, old, new)
    await touch_account(ctx.tx, ctx.account)


async def _move(ctx: Context, kind: EntityKind, belongings: Sequence[Table], old: str, new: str) -> None:
    for table in belongings:
        column = table.c[kind.name.name]
        stmt = update(table).where(table.c.account == ctx.account, column == old)
        await ctx.tx.execute(stmt.values({column.name: new}))
    for table in _BY_ENTITY:
        stmt = update(table).where(
            table.c.account == ctx.account, table.c.entity_kind == kind.stored, table.c.entity_name == old
        )
        await ctx.tx.execute(stmt.values(entity_name=new))
    await move_tags(ctx.tx, ctx.account, kind.stored, old, new)
