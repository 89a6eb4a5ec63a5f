"""What EC2's Describe operations share: ids, filters, pages, dry runs.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#api-pagination;
filters as in https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, RowMapping, Select, Table, select

from roadstead.access.resource import KeyValues
from roadstead.services.ec2.errors import (
    DryRunOperation,
    InvalidNextToken,
    InvalidParameterCombination,
    InvalidParameterValue,
    NotFound,
)
from roadstead.services.operation import Context
from roadstead.store.pagination import InvalidToken, Scope, page

T = TypeVar("T")
Shape = dict[str, Any]
Field = Callable[[T], Iterable[str]]
LEAST_PAGE = 5
MOST_PAGE = 1000


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of resource: its table and names, its row as a value, and the values that its filters look at."""

    table: Table
    prefix: str
    noun: str
    """As errors call it: `vpc`, `subnet`, `networkInterface`."""
    code: str
    """Of the error for an unknown id."""
    ids_member: str
    of: Callable[[RowMapping], T]
    fields: Mapping[str, Field[T]]
    tags: Callable[[T], list[dict[str, str]]]


async def described(
    ctx: Context,
    request: Shape,
    operation: str,
    kind: Kind[T],
    *,
    narrow: Callable[[Select[Any]], Select[Any]] | None = None,
) -> tuple[list[T], str | None]:
    """The caller's resources that the request asks for, by id, and the token of the next page.

    Ids and pages exclude each other. With filters a page may hold fewer than asked for, or none. Raises EC2's errors.
    """
    refuse_dry_run(request)
    table = kind.table
    statement = select(table).where(table.c.account == ctx.account, table.c.region == ctx.region)
    if narrow is not None:
        statement = narrow(statement)
    ids: list[str] = request.get(kind.ids_member) or []
    if ids:
        if request.get("MaxResults") is not None:
            member = kind.ids_member[0].lower() + kind.ids_member[1:]
            raise InvalidParameterCombination(f"The parameter {member} cannot be used with the parameter maxResults")
        return _filtered(await _by_ids(ctx, statement, kind, ids), request, kind), None
    limit = _limit(request.get("MaxResults"))
    filters = {name: value for name, value in request.items() if name not in ("MaxResults", "NextToken")}
    scope = Scope(f"ec2:{operation}", ctx.account, ctx.region, filters)
    id_column: Column[Any] = table.c.id
    try:
        found = await page(ctx.tx, statement, [id_column], limit=limit, token=request.get("NextToken"), scope=scope)
    except InvalidToken as error:
        raise InvalidNextToken("The token is invalid.") from error
    values = [kind.of(row._mapping) for row in found.rows]  # pyright: ignore[reportPrivateUsage] - public in spite of its name
    return _filtered(values, request, kind), found.next_token


async def region_key(ctx: Context, request: object) -> KeyValues:
    """`ec2:Region`, which every action of EC2 has."""
    del request
    return {"ec2:Region": ctx.region}


def refuse_dry_run(request: Mapping[str, Any]) -> None:
    """Raise DryRunOperation where the caller only asks whether it might."""
    if request.get("DryRun"):
        raise DryRunOperation


def keep(values: Iterable[T], filters: Sequence[Shape], fields: Mapping[str, Field[T]]) -> list[T]:
    """The values that satisfy every filter; a filter is satisfied by any of its patterns (`*`, `?`). Raises InvalidParameterValue."""
    for each in filters:
        if each.get("Name") not in fields:
            raise InvalidParameterValue(f"The filter '{each.get('Name')}' is invalid")
    return [value for value in values if all(_satisfies(value, each, fields) for each in filters)]


def response(name: str, views: list[Shape], next_token: str | None) -> Shape:
    """A Describe response: its list, and the next page's token if there is one."""
    return {name: views, **({"NextToken": next_token} if next_token is not None else {})}


def truth(value: bool) -> list[str]:
    """A boolean as filters spell it."""
    return ["true" if value else "false"]


def _satisfies(value: T, wanted: Shape, fields: Mapping[str, Field[T]]) -> bool:
    have = list(fields[wanted["Name"]](value))
    patterns: list[str] = wanted.get("Values") or []
    return any(fnmatchcase(one, _pattern(pattern)) for pattern in patterns for one in have)


def _pattern(text: str) -> str:
    # EC2 knows `*`, `?` and backslashes, but no character classes.
    return re.sub(r"\\([*?])", r"[\1]", text.replace("[", "[[]"))


def _filtered(values: list[T], request: Shape, kind: Kind[T]) -> list[T]:
    filters: list[Shape] = request.get("Filters") or []
    fields = dict(kind.fields)
    fields["tag-key"] = lambda value: [tag["Key"] for tag in kind.tags(value)]
    for each in filters:
        name: str = each.get("Name") or ""
        if name.startswith("tag:"):
            fields[name] = _tag_values(kind, name.removeprefix("tag:"))
    return keep(values, filters, fields)


def _tag_values(kind: Kind[T], key: str) -> Field[T]:
    return lambda value: [tag["Value"] for tag in kind.tags(value) if tag["Key"] == key]


async def _by_ids(ctx: Context, statement: Select[Any], kind: Kind[T], ids: Sequence[str]) -> list[T]:
    for id in ids:
        if not re.fullmatch(rf"{kind.prefix}-[0-9a-f]{{8}}([0-9a-f]{{9}})?", id):
            stem = kind.code.removesuffix(".NotFound")
            stem = {"InvalidVpcID": "InvalidVpcID", "InvalidGroup": "InvalidGroupId"}.get(stem, stem)
            raise NotFound(f"{stem}.Malformed", f'Invalid id: "{id}" (expecting "{kind.prefix}-...")')
    found = (await ctx.tx.execute(statement.where(kind.table.c.id.in_(ids)).order_by(kind.table.c.id))).mappings()
    missing = sorted(set(ids) - {row["id"] for row in found})
    if len(missing) == 1:
        raise NotFound(kind.code, f"The {kind.noun} '{missing[0]}' does not exist")
    if missing:
        raise NotFound(kind.code, f"The {kind.noun}s '{', '.join(missing)}' do not exist")
    return [kind.of(row) for row in found]


def _limit(asked: int | None) -> int:
    if asked is None:
        return MOST_PAGE
    if not LEAST_PAGE <= asked <= MOST_PAGE:
        raise InvalidParameterValue(
            f"Value ( {asked} ) for parameter maxResults is invalid. Expecting a value greater than or equal to {LEAST_PAGE}."
            if asked < LEAST_PAGE
            else f"Value ( {asked} ) for parameter maxResults is invalid. Expecting a value less than or equal to {MOST_PAGE}."
        )
    return asked
