"""DateEquals and the comparisons of times: ISO 8601 as https://www.w3.org/TR/NOTE-datetime has it, or seconds since the epoch."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from roadstead.core.policy.conditions.operator import BadValue, Operator, Prepare, pair
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.variables import TextTest

_ISO = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)
_EPOCH = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")


@lru_cache(maxsize=1024)
def moment(text: str) -> datetime | None:
    """The time that `text` names; None when it names none. Four digits alone are a year."""
    found = _ISO.fullmatch(text)
    try:
        if found is not None:
            return _iso(found)
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(0, UTC) + timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        return None
    return None


def _iso(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (
        int(found[n] or default) for n, default in enumerate((1, 1, 1, 0, 0, 0), 1)
    )
    micros = int((found[7] or "0").ljust(6, "0")[:6])
    return datetime(year, month, day, hour, minute, second, micros, tzinfo=_zone(found[8] or "Z")).astimezone(UTC)


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def _comparison(compare: Callable[[datetime, datetime], bool]) -> Prepare:
    def prepare(value: str, variables: bool) -> TextTest:
        del variables
        expected = moment(value)
        if expected is None:
            raise BadValue("must be a date of ISO 8601 or seconds since the epoch")

        def test(actual: str, context: RequestContext) -> bool:
            del context
            found = moment(actual)
            return found is not None and compare(found, expected)

        return test

    return prepare


OPERATORS: tuple[Operator, ...] = (
    *pair("DateEquals", "DateNotEquals", _comparison(operator.eq)),
    Operator("DateLessThan", _comparison(operator.lt)),
    Operator("DateLessThanEquals", _comparison(operator.le)),
    Operator("DateGreaterThan", _comparison(operator.gt)),
    Operator("DateGreaterThanEquals", _comparison(operator.ge)),
)
