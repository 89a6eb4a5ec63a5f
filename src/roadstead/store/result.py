"""The rows of one statement, read to the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar, TypeVarTuple, overload

from sqlalchemy import CursorResult, Row, RowMapping
from sqlalchemy.exc import MultipleResultsFound, NoResultFound

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class Result(Generic[*Ts]):
    """All rows of a statement. Nothing stays open in the database, so it may outlive its transaction."""

    __slots__ = ("_rows", "inserted_primary_key", "rowcount")

    def __init__(self, cursor: CursorResult[*Ts]) -> None:
        self._rows: Sequence[Row[*Ts]] = cursor.fetchall() if cursor.returns_rows else ()
        self.rowcount: int = cursor.rowcount
        """Rows that an UPDATE or DELETE matched, or a single INSERT wrote; -1 where the driver can't tell."""
        context = cursor.context
        single_insert = context.isinsert and not context.executemany
        self.inserted_primary_key: tuple[object, ...] = (
            tuple(cursor.inserted_primary_key or ()) if single_insert else ()
        )
        """The key of the row that a single INSERT without RETURNING wrote; empty otherwise."""

    def __iter__(self) -> Iterator[Row[*Ts]]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def all(self) -> Sequence[Row[*Ts]]:
        """Every row."""
        return self._rows

    def first(self) -> Row[*Ts] | None:
        """The first row, or None."""
        return self._rows[0] if self._rows else None

    def one(self) -> Row[*Ts]:
        """The only row; raises NoResultFound or MultipleResultsFound."""
        row = self.one_or_none()
        if row is None:
            raise NoResultFound("a row was required and none was found")
        return row

    def one_or_none(self) -> Row[*Ts] | None:
        """The only row, or None; raises MultipleResultsFound."""
        if len(self._rows) > 1:
            raise MultipleResultsFound("one row was required and several were found")
        return self.first()

    @overload
    def scalar(self: Result[T, *tuple[object, ...]]) -> T | None: ...
    @overload
    def scalar(self) -> object: ...
    def scalar(self) -> object:
        """The first column of the first row, or None."""
        return self._rows[0][0] if self._rows else None

    @overload
    def scalar_one(self: Result[T, *tuple[object, ...]]) -> T: ...
    @overload
    def scalar_one(self) -> object: ...
    def scalar_one(self) -> object:
        """The first column of the only row; raises NoResultFound or MultipleResultsFound."""
        return self.one()[0]

    @overload
    def scalar_one_or_none(self: Result[T, *tuple[object, ...]]) -> T | None: ...
    @overload
    def scalar_one_or_none(self) -> object: ...
    def scalar_one_or_none(self) -> object:
        """The first column of the only row, or None; raises MultipleResultsFound."""
        row = self.one_or_none()
        return None if row is None else row[0]

    @overload
    def scalars(self: Result[T, *tuple[object, ...]]) -> Sequence[T]: ...
    @overload
    def scalars(self) -> Sequence[object]: ...
    def scalars(self) -> Sequence[object]:
        """The first column of every row."""
        return [row[0] for row in self._rows]

    def mappings(self) -> list[RowMapping]:
        """Every row as a mapping by column name."""
        return [row._mapping for row in self._rows]  # pyright: ignore[reportPrivateUsage] - public in spite of its name
