"""Client tokens: a repeated request gets the first answer instead of a second effect.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html says what callers rely on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import msgspec
from sqlalchemy import Column, ColumnElement, Index, LargeBinary, String, Table, and_, delete, insert, select

from roadstead.store.columns import Json, Timestamp
from roadstead.store.metadata import metadata
from roadstead.store.transaction import Transaction

DEFAULT_LIFETIME = timedelta(hours=24)

idempotency_tokens = Table(
    "idempotency_tokens",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("operation", String(128), primary_key=True),
    Column("token", String(256), primary_key=True),
    Column("request_hash", LargeBinary(32), nullable=False),
    Column("response", Json, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Index("ix_idempotency_tokens_expires_at", "expires_at"),
)
_t = idempotency_tokens.c


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A client's token for one operation (`ecs:RunTask`)."""

    account: str
    region: str
    operation: str
    token: str


async def stored_response(
    tx: Transaction, token: ClientToken, request: object, *, mismatch: Callable[[dict[str, object]], Exception]
) -> dict[str, object] | None:
    """The response of the earlier request with this token, or None when this is the first.

    `request` is the request's JSON values without the token; when the earlier one differed, `mismatch(its response)` is raised.
    """
    row = (
        await tx.execute(
            select(_t.request_hash, _t.response).where(_same(token), _t.expires_at > tx.clock.now()),
        )
    ).one_or_none()
    if row is None:
        return None
    response = msgspec.convert(row.response, dict[str, object])
    if row.request_hash != _hash(request):
        raise mismatch(response)
    return response


async def remember_response(
    tx: Transaction,
    token: ClientToken,
    request: object,
    response: dict[str, object],
    *,
    lifetime: timedelta = DEFAULT_LIFETIME,
) -> None:
    """Keep the response for repeats; in the transaction that has the effect, after `stored_response` returned None."""
    await tx.execute(delete(idempotency_tokens).where(_same(token)))  # an expired one
    await tx.execute(
        insert(idempotency_tokens).values(
            account=token.account,
            region=token.region,
            operation=token.operation,
            token=token.token,
            request_hash=_hash(request),
            response=response,
            expires_at=tx.clock.now() + lifetime,
        )
    )


async def purge_expired(tx: Transaction) -> int:
    """Delete tokens that have expired; returns how many."""
    return (await tx.execute(delete(idempotency_tokens).where(_t.expires_at <= tx.clock.now()))).rowcount


def _same(token: ClientToken) -> ColumnElement[bool]:
    return and_(
        _t.account == token.account, _t.region == token.region, _t.operation == token.operation, _t.token == token.token
    )


def _hash(request: object) -> bytes:
    return sha256(msgspec.json.encode(request, order="deterministic")).digest()
