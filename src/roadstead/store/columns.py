"""Column types that read and write the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

BigSerial = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit key that the database counts up (SQLite counts only a column that is declared INTEGER)."""


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime; a naive one raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a timestamp needs a time zone")
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The aware UTC datetime that lies `value` microseconds after 1970 began."""
    return _EPOCH + timedelta(microseconds=value)


class Timestamp(TypeDecorator[datetime]):
    """An aware datetime in UTC, kept as a BIGINT of microseconds since 1970: exact, ordered and indexable everywhere."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To microseconds; a naive datetime raises ValueError."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From microseconds."""
        return None if value is None else from_microseconds(value)


class Json(TypeDecorator[object]):
    """A JSON value in a TEXT column: dicts, lists, strings, numbers, booleans, msgspec structs; None is SQL NULL.

    Nothing queries inside of it: what a WHERE needs is a column of its own.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        """To JSON text; a value that JSON can't hold raises TypeError."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        """From JSON text, to plain Python values."""
        return None if value is None else msgspec.json.decode(value)
