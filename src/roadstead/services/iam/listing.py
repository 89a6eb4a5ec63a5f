"""Lists, a page at a time: `Marker`, `MaxItems` and `IsTruncated` of every operation that lists.

A marker is the name of the last item of the page before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Table, select

from roadstead.services.operation import Context

T = TypeVar("T")
_DEFAULT_PAGE = 100


def page_size(request: Mapping[str, Any]) -> int:
    """How many items a page has."""
    return int(request.get("MaxItems") or _DEFAULT_PAGE)


def page_of(
    items: Sequence[T], key: Callable[[T], str], request: Mapping[str, Any]
) -> tuple[list[T], dict[str, object]]:
    """The page of `items` that a request asks for, in the order of their keys, and the members that lead to the next page."""
    marker = str(request.get("Marker") or "")
    size = page_size(request)
    rest = sorted((item for item in items if key(item) > marker), key=key)
    if len(rest) <= size:
        return rest, {"IsTruncated": False}
    return rest[:size], {"IsTruncated": True, "Marker": key(rest[size - 1])}


async def page_by_name(
    ctx: Context, table: Table, name: Column[Any], request: Mapping[str, Any], *conditions: Any
) -> tuple[list[Any], dict[str, object]]:
    """Rows of this account after the marker whose path begins with `PathPrefix`, and the members that lead to the next page."""
    size = page_size(request)
    stmt = select(table).where(table.c.account == ctx.account, *conditions)
    if prefix := request.get("PathPrefix"):
        stmt = stmt.where(table.c.path.startswith(prefix, autoescape=True))
    if marker := request.get("Marker"):
        stmt = stmt.where(name > marker)
    rows = list((await ctx.tx.execute(stmt.order_by(name).limit(size + 1))).all())
    if len(rows) <= size:
        return rows, {"IsTruncated": False}
    kept = rows[:size]
    return kept, {"IsTruncated": True, "Marker": str(getattr(kept[-1], name.key))}
