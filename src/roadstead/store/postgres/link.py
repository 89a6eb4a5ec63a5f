"""One PostgreSQL connection as a transaction sees it, and what its errors mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from roadstead.store.errors import StoreError, StoreUnavailable, TransactionConflict, UnstorableValue
from roadstead.store.lookup import Lookup
from roadstead.store.transaction import Parameters

_CONFLICTS = {
    "40001": "a concurrent transaction changed what this one read",
    "40P01": "this transaction and another waited for each other",
}
"""serialization_failure and deadlock_detected (https://www.postgresql.org/docs/15/errcodes-appendix.html)."""
_UNIQUE_VIOLATION = "23505"
_UNSTORABLE = {
    "22000": "a value is not of its column's type, or past what that holds",  # the driver's own, before anything is sent
    "22001": "a text is longer than its column",
    "22003": "a number is past what its column holds",
    "22021": "a text is not Unicode, or has the character U+0000",
}
"""string_data_right_truncation, numeric_value_out_of_range, character_not_in_repertoire."""
_SHUTDOWN_CLASSES = ("57P", "08")
"""The server goes away, or the connection does."""
_UNFIT_CLASSES = ("53", "58", "25006", "57014")
"""The server lacks a disk, memory or files; it takes no writes for now, as a standby; it ended a statement that took too long."""

_NOW = text("SELECT clock_timestamp()")
_EVENT_ORDER = text("CAST(CAST(pg_current_xact_id() AS text) AS bigint)")
EVENT_HORIZON = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")


class PostgresLink:
    """A pooled connection inside of a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(self, statement: Executable, parameters: Parameters | None) -> CursorResult[*tuple[Any, ...]]:
        """Execute a statement and buffer its rows."""
        return await self._connection.execute(statement, parameters)

    async def look_up(self, lookup: Lookup[*tuple[Any, ...]], values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """Run a lookup and buffer its rows."""
        compiled = lookup.on(self._connection.dialect)
        return compiled.rows((await self._connection.exec_driver_sql(compiled.sql, compiled.values(values))).all())

    async def command(self, sql: str) -> None:
        """Run a statement of transaction control."""
        await self._connection.exec_driver_sql(sql)

    async def now(self) -> datetime:
        """The database's clock, which all servers share."""
        moment = (await self._connection.execute(_NOW)).scalar_one()
        if not isinstance(moment, datetime):
            raise TypeError("clock_timestamp() is not a time")
        return moment

    def event_order(self) -> object:
        """The transaction's number, so that readers can tell which transactions are still under way."""
        return _EVENT_ORDER

    async def event_horizon(self) -> int | None:
        """The oldest transaction that was still under way when this view began."""
        return int((await self._connection.execute(EVENT_HORIZON)).scalar_one())


def may_be_race(error: IntegrityError) -> bool:
    """Whether a concurrent transaction may be what a statement stumbled over.

    A serializable transaction that looked for a row, found none and inserts it can meet that of another one that committed meanwhile,
    and is told of the duplicate, not of the conflict (https://www.postgresql.org/docs/15/transaction-iso.html#XACT-SERIALIZABLE).
    """
    return getattr(error.orig, "sqlstate", None) == _UNIQUE_VIOLATION


def translate(error: DBAPIError) -> StoreError | None:
    """The store's error that a database error amounts to, if any: a conflict, a value that can't be, or a database that is away."""
    state = getattr(error.orig, "sqlstate", None)
    if state in _CONFLICTS:
        return TransactionConflict(_CONFLICTS[state])
    if state in _UNSTORABLE:
        return UnstorableValue(_UNSTORABLE[state])
    if error.connection_invalidated or (isinstance(state, str) and state.startswith(_SHUTDOWN_CLASSES)):
        return StoreUnavailable("the connection to PostgreSQL was lost")
    if isinstance(state, str) and state.startswith(_UNFIT_CLASSES):
        return StoreUnavailable(f"PostgreSQL can't do its work: {error.orig}")
    return None
