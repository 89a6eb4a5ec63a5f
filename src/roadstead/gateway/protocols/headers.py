"""Members of requests and responses that are HTTP headers (https://smithy.io/2.0/spec/http-bindings.html#httpheader-trait)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import cast

from botocore.model import ListShape, Shape

from roadstead.gateway.protocols.compiler import text_trait, trait
from roadstead.gateway.protocols.errors import SerializationException, UnserialisableResult
from roadstead.gateway.protocols.json_body import decode_json, encode_json
from roadstead.gateway.protocols.scalars import BadText, blob_from_text, text_parser, text_writer

DEFAULT_TIMESTAMP = "rfc822"


def header_parser(shape: Shape) -> Callable[[str], object]:
    """Reads a header's value; lists are separated by commas, JSON values are base64. Raises SerializationException."""
    if trait(shape, "jsonvalue"):
        return _parse_json_value
    if isinstance(shape, ListShape):
        read = _checked(shape.member)
        if shape.member.type_name == "timestamp" and _timestamp_format(shape.member) == DEFAULT_TIMESTAMP:
            return lambda text: [read(item) for item in _split_dates(text)]
        return lambda text: [read(item) for item in split_list(text)]
    return _checked(shape)


def header_writer(shape: Shape) -> Callable[[object], str]:
    """Writes a header's value; raises UnserialisableResult."""
    if trait(shape, "jsonvalue"):
        return lambda value: b64encode(encode_json(value)).decode("ascii")
    if isinstance(shape, ListShape):
        write = text_writer(shape.member, DEFAULT_TIMESTAMP)
        quote = shape.member.type_name == "string"

        def write_list(value: object) -> str:
            if not isinstance(value, (list, tuple)):
                raise UnserialisableResult(f"{shape.name}: {value!r} is not a list")
            items = [write(item) for item in cast("list[object]", value)]
            return ", ".join(_quoted(item) for item in items) if quote else ", ".join(items)

        return write_list
    return text_writer(shape, DEFAULT_TIMESTAMP)


def _timestamp_format(shape: Shape) -> str:
    return text_trait(shape, "timestampFormat") or DEFAULT_TIMESTAMP


def _checked(shape: Shape) -> Callable[[str], object]:
    read = text_parser(shape)

    def parse(text: str) -> object:
        try:
            return read(text)
        except BadText as error:
            raise SerializationException(f"Expected {error} in a header") from error

    return parse


def _parse_json_value(text: str) -> object:
    try:
        return decode_json(blob_from_text(text))
    except BadText as error:
        raise SerializationException("Expected base64 in a header") from error


def split_list(text: str) -> list[str]:
    """The items of a comma separated header; an item in double quotes may hold commas and backslash escapes."""
    if not text:
        return []
    items: list[str] = []
    position, length = 0, len(text)
    while position <= length:
        while position < length and text[position] in " \t":
            position += 1
        if position < length and text[position] == '"':
            item, position = _quoted_item(text, position + 1)
            comma = text.find(",", position)
        else:
            comma = text.find(",", position)
            item = text[position : length if comma < 0 else comma].strip(" \t")
        items.append(item)
        if comma < 0:
            break
        position = comma + 1
    return items


def _quoted_item(text: str, position: int) -> tuple[str, int]:
    taken: list[str] = []
    while position < len(text):
        character = text[position]
        if character == '"':
            return "".join(taken), position + 1
        if character == "\\" and position + 1 < len(text):
            position += 1
            character = text[position]
        taken.append(character)
        position += 1
    raise SerializationException("A quoted header value has no end")


def _split_dates(text: str) -> list[str]:
    pieces = text.split(",")
    if len(pieces) % 2:
        raise SerializationException("Expected HTTP dates in a header")
    return [f"{day},{rest}".strip() for day, rest in zip(pieces[::2], pieces[1::2], strict=True)]


def _quoted(item: str) -> str:
    if '"' in item or "," in item:
        escaped = item.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return item
