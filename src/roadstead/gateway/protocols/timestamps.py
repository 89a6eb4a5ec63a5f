"""Timestamps on the wire: epoch seconds, ISO 8601 and HTTP dates (Smithy's timestampFormat trait)."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal, TypeAlias

TimestampFormat: TypeAlias = Literal["unixtimestamp", "iso8601", "rfc822"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class BadTimestamp(ValueError):
    """The value is not a timestamp in any of the formats, or out of the range of years 1 to 9999."""


def from_epoch(seconds: float) -> datetime:
    """The time `seconds` after 1970 began, to the microsecond; raises BadTimestamp."""
    try:
        if isinstance(seconds, int):
            return _EPOCH + timedelta(seconds=seconds)
        whole = math.floor(seconds)
        return _EPOCH + timedelta(seconds=whole, microseconds=round((seconds - whole) * 1_000_000))
    except (OverflowError, ValueError) as error:
        raise BadTimestamp(repr(seconds)) from error


def from_text(text: str) -> datetime:
    """Reads ISO 8601, an HTTP date or epoch seconds; without an offset it is UTC. Raises BadTimestamp."""
    if len(text) > 64:
        raise BadTimestamp(f"{text[:64]}...")
    # Numbers first: fromisoformat takes some epoch seconds for dates in ISO 8601's basic format.
    for read in (_from_number, datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    raise BadTimestamp(text)


def _from_number(text: str) -> datetime:
    return from_epoch(float(text))


def to_epoch(moment: datetime) -> int | float:
    """Seconds since 1970 as a whole number where it is one, else exact to the microsecond."""
    microseconds = (moment - _EPOCH) // _MICROSECOND
    seconds, rest = divmod(microseconds, 1_000_000)
    return seconds if rest == 0 else microseconds / 1_000_000


def to_iso8601(moment: datetime) -> str:
    """As `2026-11-23T08:00:00Z`, with a fraction only where there is one."""
    text = moment.astimezone(UTC).replace(tzinfo=None)
    if text.microsecond == 0:
        return text.isoformat() + "Z"
    precision = "milliseconds" if text.microsecond % 1000 == 0 else "microseconds"
    return text.isoformat(timespec=precision) + "Z"


def to_rfc822(moment: datetime) -> str:
    """As `Mon, 23 Nov 2026 08:00:00 GMT`, with a fraction only where there is one."""
    moment = moment.astimezone(UTC)
    text = format_datetime(moment.replace(microsecond=0), usegmt=True)
    if moment.microsecond == 0:
        return text
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return text.replace(" GMT", f".{fraction} GMT")


def text_formatter(name: str) -> Callable[[datetime], str]:
    """The function that writes timestamps of a timestampFormat as text."""
    match name.lower():
        case "iso8601":
            return to_iso8601
        case "rfc822":
            return to_rfc822
        case "unixtimestamp":
            return lambda moment: str(to_epoch(moment))
        case other:
            raise ValueError(f"unknown timestampFormat {other!r}")
