"""Pages of ECR's lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVarTuple

import msgspec
from sqlalchemy import ColumnElement, Select

from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.operation import Context
from roadstead.store.pagination import InvalidToken, Page, Scope, page

PAGE = 100
"""How many results a page has where the request says nothing."""

Ts = TypeVarTuple("Ts")


class _Paging(msgspec.Struct, rename="camel"):
    max_results: int = PAGE
    next_token: str | None = None


async def ecr_page(
    ctx: Context,
    request: Mapping[str, object],
    operation: str,
    statement: Select[*Ts],
    keys: Sequence[ColumnElement[Any]],
) -> Page[*Ts]:
    """The page that `maxResults` and `nextToken` ask for; raises InvalidParameterException for a token of another request."""
    paging = msgspec.convert(request, _Paging)
    filters = {name: value for name, value in request.items() if name not in ("maxResults", "nextToken")}
    scope = Scope(f"ecr:{operation}", ctx.account, ctx.region, filters)
    try:
        return await page(ctx.tx, statement, keys, limit=paging.max_results, token=paging.next_token, scope=scope)
    except InvalidToken as error:
        raise InvalidParameterException.at("nextToken", "Invalid token") from error


def refuse_page_of_named(request: Mapping[str, object], names: str) -> None:
    """Raise InvalidParameterException when a request that names its results asks for pages of them too."""
    if names in request:
        for parameter in ("maxResults", "nextToken"):
            if parameter in request:
                raise InvalidParameterException.at(parameter, f"{parameter} cannot be used with {names}")
