"""Pages of ECS's lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVarTuple, cast

from sqlalchemy import ColumnElement, Select

from roadstead.services.ecs.errors import InvalidParameterException
from roadstead.services.operation import Context
from roadstead.store.pagination import InvalidToken, Page, Scope, page

PAGE = 100
Ts = TypeVarTuple("Ts")


async def ecs_page(
    ctx: Context,
    request: Mapping[str, object],
    operation: str,
    statement: Select[*Ts],
    keys: Sequence[ColumnElement[Any]],
    *,
    descending: bool = False,
) -> Page[*Ts]:
    """The page that `maxResults` (1 to 100) and `nextToken` ask for; raises InvalidParameterException."""
    asked = cast("int | None", request.get("maxResults"))
    limit = PAGE if asked is None else asked
    if not 1 <= limit <= PAGE:
        raise InvalidParameterException(f"maxResults must be between 1 and {PAGE}.")
    filters = {name: value for name, value in request.items() if name not in ("maxResults", "nextToken")}
    scope = Scope(f"ecs:{operation}", ctx.account, ctx.region, filters)
    token = cast("str | None", request.get("nextToken"))
    try:
        return await page(ctx.tx, statement, keys, limit=limit, token=token, scope=scope, descending=descending)
    except InvalidToken as error:
        raise InvalidParameterException("Invalid token.") from error


def listed(name: str, values: Sequence[str], next_token: str | None) -> dict[str, object]:
    """A list's response: its values under `name`, and the next token if there is one."""
    response: dict[str, object] = {name: list(values)}
    if next_token is not None:
        response["nextToken"] = next_token
    return response
