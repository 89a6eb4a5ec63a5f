"""Scalars as text: in query strings, headers, URI labels and XML."""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime

from botocore.model import Shape

from roadstead.gateway.protocols.compiler import text_trait
from roadstead.gateway.protocols.errors import UnserialisableResult
from roadstead.gateway.protocols.timestamps import BadTimestamp, from_text, text_formatter

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

INTEGER_RANGES = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
"""The values that the integral types of a model hold."""


class BadText(ValueError):
    """The text is not of the type; the message says of which."""


def integer_from_text(text: str, kind: str) -> int:
    """Reads an `integer` (32 bit) or `long` (64 bit); raises BadText."""
    if _INTEGER.fullmatch(text) is None:
        raise BadText("an integer")
    value = int(text)
    low, high = INTEGER_RANGES[kind]
    if not low <= value <= high:
        raise BadText(f"an integer of {low} to {high}")
    return value


def float_from_text(text: str) -> float:
    """Reads a decimal number, NaN, Infinity or -Infinity; raises BadText."""
    special = _SPECIAL.get(text)
    if special is not None:
        return special
    if len(text) > 400 or _DECIMAL.fullmatch(text) is None:
        raise BadText("a number")
    return float(text)


def boolean_from_text(text: str) -> bool:
    """Reads `true` or `false` in any case; raises BadText."""
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise BadText("a boolean")


def blob_from_text(text: str) -> bytes:
    """Reads base64; raises BadText."""
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise BadText("base64") from error


def timestamp_from_text(text: str) -> datetime:
    """Reads a timestamp in any format; raises BadText."""
    try:
        return from_text(text)
    except BadTimestamp as error:
        raise BadText("a timestamp") from error


def text_parser(shape: Shape) -> Callable[[str], object]:
    """The function that reads a scalar of this shape from text; it raises BadText."""
    kind = shape.type_name
    match kind:
        case "integer" | "long":
            return lambda text: integer_from_text(text, kind)
        case "float" | "double":
            return float_from_text
        case "boolean":
            return boolean_from_text
        case "blob":
            return blob_from_text
        case "timestamp":
            return timestamp_from_text
        case _:
            return lambda text: text


def float_to_text(value: object) -> str:
    """Writes a number; NaN and the infinities by their names."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnserialisableResult(f"{value!r} is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def require_integer(value: object) -> int:
    """The value, if it is an integer; raises UnserialisableResult."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnserialisableResult(f"{value!r} is not an integer")
    return int(value)


def require_text(value: object) -> str:
    """The value, if it is text; raises UnserialisableResult."""
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    raise UnserialisableResult(f"{value!r} is not text")


def require_boolean(value: object) -> bool:
    """The value, if it is a boolean; raises UnserialisableResult."""
    if isinstance(value, bool):
        return value
    raise UnserialisableResult(f"{value!r} is not a boolean")


def require_bytes(value: object) -> bytes:
    """The value, if it is bytes; raises UnserialisableResult."""
    if isinstance(value, bytes):
        return value
    raise UnserialisableResult(f"{value!r} is not bytes")


def require_moment(value: object) -> datetime:
    """The value, if it is an aware datetime; raises UnserialisableResult."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise UnserialisableResult(f"{value!r} is not an aware datetime")


def text_writer(shape: Shape, timestamp_format: str) -> Callable[[object], str]:
    """The function that writes a scalar of this shape as text; it raises UnserialisableResult."""
    match shape.type_name:
        case "integer" | "long":
            return lambda value: str(require_integer(value))
        case "float" | "double":
            return float_to_text
        case "boolean":
            return lambda value: "true" if require_boolean(value) else "false"
        case "blob":
            return lambda value: b64encode(require_bytes(value)).decode("ascii")
        case "timestamp":
            write = text_formatter(text_trait(shape, "timestampFormat") or timestamp_format)
            return lambda value: write(require_moment(value))
        case _:
            return require_text
