"""Scalars in JSON bodies (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html)."""

from __future__ import annotations

import math
from base64 import b64encode
from datetime import datetime

from botocore.model import Shape

from roadstead.gateway.protocols.compiler import text_trait
from roadstead.gateway.protocols.errors import SerializationException
from roadstead.gateway.protocols.numeric import integer_parser, parse_boolean, parse_float, parse_text
from roadstead.gateway.protocols.scalars import (
    BadText,
    blob_from_text,
    float_to_text,
    require_boolean,
    require_bytes,
    require_integer,
    require_moment,
    require_text,
)
from roadstead.gateway.protocols.timestamps import BadTimestamp, from_epoch, from_text, text_formatter, to_epoch
from roadstead.gateway.protocols.tree import Convert, expected


class JsonScalars:
    """Blobs are base64, timestamps epoch seconds unless the model says otherwise."""

    def parser(self, shape: Shape) -> Convert:
        """A function from the JSON value to the parameter."""
        match shape.type_name:
            case "integer" | "long":
                return integer_parser(shape.type_name)
            case "float" | "double":
                return parse_float
            case "boolean":
                return parse_boolean
            case "blob":
                return _parse_blob
            case "timestamp":
                return _parse_timestamp
            case _:
                return parse_text

    def writer(self, shape: Shape) -> Convert:
        """A function from the result's value to what msgspec encodes."""
        match shape.type_name:
            case "integer" | "long":
                return require_integer
            case "float" | "double":
                return _write_float
            case "boolean":
                return require_boolean
            case "blob":
                return lambda value: b64encode(require_bytes(value)).decode("ascii")
            case "timestamp":
                name = text_trait(shape, "timestampFormat") or "unixtimestamp"
                if name.lower() == "unixtimestamp":
                    return lambda value: to_epoch(require_moment(value))
                write = text_formatter(name)
                return lambda value: write(require_moment(value))
            case _:
                return require_text


def _parse_blob(value: object) -> bytes:
    if type(value) is not str:
        raise expected("Blob", value)
    try:
        return blob_from_text(value)
    except BadText as error:
        raise SerializationException("STRING_VALUE cannot be converted to Blob: it is not base64") from error


def _parse_timestamp(value: object) -> datetime:
    try:
        if type(value) is int or type(value) is float:
            return from_epoch(value)
        if type(value) is str:
            return from_text(value)
    except BadTimestamp as error:
        raise SerializationException("The value cannot be converted to Timestamp") from error
    raise expected("Timestamp", value)


def _write_float(value: object) -> object:
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return float_to_text(value)
