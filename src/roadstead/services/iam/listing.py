"""Lists of named entities, a page at a time, in the order of their names."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table, select

from roadstead.services.operation import Context

_DEFAULT_PAGE = 100


async def page_by_name(
    ctx: Context, table: Table, name: Column[Any], prefix: str | None, marker: str | None, limit: int | None
) -> tuple[list[Any], dict[str, object]]:
    """Rows of this account after `marker` whose path begins with `prefix`, and the members that lead to the next page."""
    size = limit or _DEFAULT_PAGE
    stmt = select(table).where(table.c.account == ctx.account)
    if prefix:
        stmt = stmt.where(table.c.path.startswith(prefix, autoescape=True))
    if marker:
        stmt = stmt.where(name > marker)
    rows = list((await ctx.tx.execute(stmt.order_by(name).limit(size + 1))).all())
    if len(rows) <= size:
        return rows, {"IsTruncated": False}
    kept = rows[:size]
    return kept, {"IsTruncated": True, "Marker": str(getattr(kept[-1], name.key))}
