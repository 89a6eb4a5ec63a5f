"""A page of a list, with this service's words for a token that does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select

from roadstead.services.logs.errors import InvalidParameterException
from roadstead.services.operation import Context
from roadstead.store.pagination import InvalidToken, Page, Scope, page


async def page_of(
    ctx: Context,
    operation: str,
    statement: Select[*tuple[Any, ...]],
    keys: Sequence[ColumnElement[Any]],
    *,
    limit: int,
    token: str | None,
    filters: Mapping[str, object],
    descending: bool = False,
) -> Page[Any]:
    """Up to `limit` rows after the token; raises InvalidParameterException for a token of another request."""
    scope = Scope(operation, ctx.account, ctx.region, filters)
    try:
        return await page(ctx.tx, statement, keys, limit=limit, token=token, scope=scope, descending=descending)
    except InvalidToken as error:
        raise InvalidParameterException("The specified nextToken is invalid.") from error
