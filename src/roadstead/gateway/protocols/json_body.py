"""JSON documents as bytes: decoding within bounds, encoding with the parameters' own types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from roadstead.gateway.protocols.errors import SerializationException, UnserialisableResult

T = TypeVar("T")

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def decode_json(body: bytes) -> object:
    """The document in `body`, None for an empty one; raises SerializationException for what is no JSON."""
    if not body:
        return None
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SerializationException(f"The body is not well-formed JSON: {error}") from error
    except RecursionError as error:
        raise SerializationException("The body is nested too deeply") from error


def encode_json(document: object) -> bytes:
    """`document` as compact UTF-8 JSON; raises UnserialisableResult."""
    try:
        return _encode(document)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnserialisableResult(str(error)) from error


def within_depth(convert: Callable[[object], T], value: object) -> T:
    """Applies a compiled parser; a document nested deeper than Python recurses raises SerializationException."""
    try:
        return convert(value)
    except RecursionError as error:
        raise SerializationException("The body is nested too deeply") from error
