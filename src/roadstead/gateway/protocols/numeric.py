"""Numbers, booleans and text of decoded JSON and CBOR values: the same rules for both."""

from __future__ import annotations

import math
from collections.abc import Callable

from roadstead.gateway.protocols.errors import SerializationException
from roadstead.gateway.protocols.scalars import INTEGER_RANGES
from roadstead.gateway.protocols.tree import expected

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def parse_text(value: object) -> object:
    """Text stays text; raises SerializationException for anything else."""
    if type(value) is str:
        return value
    raise expected("String", value)


def parse_boolean(value: object) -> object:
    """A boolean stays a boolean; raises SerializationException for anything else."""
    if type(value) is bool:
        return value
    raise expected("Boolean", value)


def integer_parser(kind: str) -> Callable[[object], object]:
    """Reads `integer` or `long` exactly; 2.0 is 2, 2.5 and what is out of range is refused."""
    low, high = INTEGER_RANGES[kind]

    def parse(value: object) -> object:
        if type(value) is float and math.isfinite(value) and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise expected(kind, value)
        if not low <= value <= high:
            raise SerializationException(f"NUMBER_VALUE is out of the range of {kind.capitalize()}")
        return value

    return parse


def parse_float(value: object) -> object:
    """Reads a number, or the names of those that JSON has no number for."""
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise SerializationException("NUMBER_VALUE is out of the range of Double") from None
    if type(value) is str and value in _SPECIAL:
        return _SPECIAL[value]
    raise expected("Double", value)
