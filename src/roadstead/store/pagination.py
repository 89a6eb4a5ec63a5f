"""Pages of a list, and the tokens that lead from one to the next.

A token holds the keys of the last row seen and a keyed digest over them, the operation, the account, the region and the filters.
So it can't be made up, altered, or used with another request; and a page is found by index, however far into the list it lies.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Generic, TypeVarTuple

import msgspec
from sqlalchemy import ColumnElement, Row, Select, literal, tuple_

from roadstead.store.columns import from_microseconds, to_microseconds
from roadstead.store.errors import StoreError
from roadstead.store.transaction import Transaction

Ts = TypeVarTuple("Ts")
Key = str | int | datetime

_DIGEST_BYTES = 16
_MAX_TOKEN = 4096


class InvalidToken(StoreError):
    """The token is not one that was given out for this very request."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The request that a token belongs to; `filters` are its members that choose the rows, as JSON values."""

    operation: str
    account: str
    region: str
    filters: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Page(Generic[*Ts]):
    """Rows in the order of the keys, and the token of the next page if there is one."""

    rows: Sequence[Row[*Ts]]
    next_token: str | None


class _Moment(msgspec.Struct, frozen=True):
    at: int


async def page(
    tx: Transaction,
    statement: Select[*Ts],
    keys: Sequence[ColumnElement[Any]],
    *,
    limit: int,
    token: str | None,
    scope: Scope,
    descending: bool = False,
) -> Page[*Ts]:
    """Up to `limit` rows of `statement` after the row that `token` names, ordered by `keys`.

    The keys are selected columns, not null, and together unique; an index should start with the statement's equalities and go on
    with them. Raises InvalidToken, which the caller answers in its service's words.
    """
    if limit < 1:
        raise ValueError("a page has at least one row")
    signing_key = await tx.signing_key("pagination")
    if token is not None:
        after = decode_token(signing_key, scope, token)
        if len(after) != len(keys):
            raise InvalidToken("the token does not fit the list")
        statement = statement.where(_beyond(keys, after, descending))
    ordering = [key.desc() if descending else key.asc() for key in keys]
    rows = (await tx.execute(statement.order_by(None).order_by(*ordering).limit(limit + 1))).all()
    if len(rows) <= limit:
        return Page(rows, None)
    rows = rows[:limit]
    last = rows[-1]._mapping  # pyright: ignore[reportPrivateUsage] - public in spite of its name
    return Page(rows, encode_token(signing_key, scope, [last[key] for key in keys]))


def encode_token(signing_key: bytes, scope: Scope, values: Sequence[Key]) -> str:
    """A URL-safe token that carries `values` and opens for the same `scope` only."""
    payload = msgspec.json.encode([_Moment(to_microseconds(v)) if isinstance(v, datetime) else v for v in values])
    return urlsafe_b64encode(_digest(signing_key, scope, payload) + payload).rstrip(b"=").decode()


def decode_token(signing_key: bytes, scope: Scope, token: str) -> list[Key]:
    """The values of a token; raises InvalidToken unless it was made with this key for this scope."""
    if len(token) > _MAX_TOKEN or not token.isascii():
        raise InvalidToken("the token is malformed")
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError as error:
        raise InvalidToken("the token is malformed") from error
    digest, payload = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if not hmac.compare_digest(digest, _digest(signing_key, scope, payload)):
        raise InvalidToken("the token belongs to another request or was altered")
    values = msgspec.json.decode(payload, type=list[str | int | _Moment])
    return [from_microseconds(value.at) if isinstance(value, _Moment) else value for value in values]


def _digest(signing_key: bytes, scope: Scope, payload: bytes) -> bytes:
    about = msgspec.json.encode([scope.operation, scope.account, scope.region, scope.filters], order="deterministic")
    return hmac.digest(signing_key, sha256(about).digest() + payload, "sha256")[:_DIGEST_BYTES]


def _beyond(keys: Sequence[ColumnElement[Any]], after: Sequence[Key], descending: bool) -> ColumnElement[bool]:
    bounds = [literal(value, key.type) for key, value in zip(keys, after, strict=True)]
    if len(keys) == 1:
        return keys[0] < bounds[0] if descending else keys[0] > bounds[0]
    row, bound = tuple_(*keys), tuple_(*bounds)
    return row < bound if descending else row > bound
