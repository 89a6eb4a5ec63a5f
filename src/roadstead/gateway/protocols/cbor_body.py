"""CBOR documents (RFC 8949) as Smithy's rpc-v2-cbor restricts them: no tag but 1, epoch seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import cbor2
from botocore.model import Shape

from roadstead.gateway.protocols.errors import SerializationException, UnserialisableResult
from roadstead.gateway.protocols.numeric import integer_parser, parse_boolean, parse_float, parse_text
from roadstead.gateway.protocols.scalars import (
    require_boolean,
    require_bytes,
    require_integer,
    require_moment,
    require_text,
)
from roadstead.gateway.protocols.timestamps import BadTimestamp, from_epoch, to_epoch
from roadstead.gateway.protocols.tree import Convert, expected

_MAX_DEPTH = 128
_EPOCH_TAG = 1
_LIBRARY_TAGS = (0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


@dataclass(frozen=True, slots=True)
class _Epoch:
    """What was tagged as epoch seconds; the number is checked when a timestamp is expected there."""

    seconds: object


class _ForbiddenTag(ValueError):
    """A tag other than 1: shared references, big numbers, regular expressions and the like."""


def _forbid(_value: object, _immutable: bool) -> object:
    raise _ForbiddenTag


def _epoch(value: object, _immutable: bool) -> object:
    return _Epoch(value)


_TAGS: dict[int, Callable[[object, bool], object]] = dict.fromkeys(_LIBRARY_TAGS, _forbid) | {_EPOCH_TAG: _epoch}


def decode_cbor(body: bytes) -> object:
    """The data item in `body`, None for an empty one; raises SerializationException."""
    if not body:
        return None
    try:
        with BytesIO(body) as stream:
            document = cbor2.load(stream, semantic_decoders=_TAGS, tag_hook=_forbid, max_depth=_MAX_DEPTH)
            rest = stream.read(1)
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise SerializationException(f"The body is not well-formed CBOR: {error}") from error
    if rest:
        raise SerializationException("The body is not well-formed CBOR: something follows the data item")
    return document


def encode_cbor(document: object) -> bytes:
    """`document` as CBOR; raises UnserialisableResult."""
    try:
        return cbor2.dumps(document)
    except (cbor2.CBOREncodeError, ValueError, TypeError) as error:
        raise UnserialisableResult(str(error)) from error


class CborScalars:
    """Blobs are byte strings, timestamps tag 1."""

    def parser(self, shape: Shape) -> Convert:
        """A function from the decoded item to the parameter."""
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
        """A function from the result's value to what cbor2 encodes."""
        match shape.type_name:
            case "integer" | "long":
                return require_integer
            case "float" | "double":
                return _write_float
            case "boolean":
                return require_boolean
            case "blob":
                return require_bytes
            case "timestamp":
                return lambda value: cbor2.CBORTag(_EPOCH_TAG, to_epoch(require_moment(value)))
            case _:
                return require_text


def _parse_blob(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    raise expected("Blob", value)


def _parse_timestamp(value: object) -> datetime:
    seconds = value.seconds if isinstance(value, _Epoch) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise expected("Timestamp", seconds)
    try:
        return from_epoch(seconds)
    except BadTimestamp as error:
        raise SerializationException("The value cannot be converted to Timestamp") from error


def _write_float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnserialisableResult(f"{value!r} is not a number")
    return float(value)
