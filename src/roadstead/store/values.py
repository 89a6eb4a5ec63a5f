"""What a statement may be given, the same on both databases: whatever SQLite alone would take is refused there too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from sqlalchemy import Engine, event

from roadstead.store.errors import UnstorableValue

_BEYOND = 2**63


def check_values(values: Iterable[object]) -> None:
    """Raise UnstorableValue for a text or a number among `values` that not both databases take."""
    for value in values:
        if type(value) is str:
            if "\0" in value:
                raise UnstorableValue("a text has the character U+0000")
            if not value.isascii():
                _check_unicode(value)
        elif type(value) is int and not -_BEYOND <= value < _BEYOND:
            raise UnstorableValue("a number does not fit 64 bits")


def check_statements(engine: Engine) -> None:
    """Check the values of every statement that goes through SQLAlchemy to this engine's connections."""
    event.listen(engine, "before_cursor_execute", _before_execute)


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnstorableValue("a text is not Unicode") from error


def _before_execute(
    _connection: object, _cursor: object, _sql: str, parameters: object, _context: object, executemany: bool
) -> None:
    for row in cast("Sequence[object]", parameters) if executemany else (parameters,):
        check_values(
            cast("Mapping[str, object]", row).values() if isinstance(row, Mapping) else cast("Iterable[object]", row)
        )
