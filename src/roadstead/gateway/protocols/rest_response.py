"""How a REST-JSON response is put together: headers, status, payload, body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from botocore.model import Shape, StructureShape

from roadstead.gateway.protocols.compiler import members_of, text_trait, wire_name
from roadstead.gateway.protocols.errors import UnserialisableResult
from roadstead.gateway.protocols.headers import header_writer
from roadstead.gateway.protocols.json_body import encode_json
from roadstead.gateway.protocols.scalars import require_bytes, require_integer, require_text
from roadstead.gateway.protocols.tree import Convert, TreeWriter

Header: TypeAlias = tuple[str, str]

_JSON: Header = ("Content-Type", "application/json")


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """How the members of one output shape go into a response."""

    headers: Mapping[str, tuple[str, Callable[[object], str]]]
    prefixes: Mapping[str, str]
    status: str | None
    payload: tuple[str, Header, Callable[[object], bytes]] | None
    body: Convert | None

    def write(self, result: Mapping[str, object]) -> tuple[int | None, tuple[Header, ...], bytes]:
        """The status where a member is one, the headers and the body for `result`; raises UnserialisableResult."""
        status: int | None = None
        headers: list[Header] = []
        rest: dict[str, object] = {}
        for name, value in result.items():
            if value is None:
                continue
            if name in self.headers:
                wire, write = self.headers[name]
                headers.append((wire, write(value)))
            elif name in self.prefixes:
                headers.extend((self.prefixes[name] + key, text) for key, text in cast("dict[str, str]", value).items())
            elif name == self.status:
                status = require_integer(value)
            else:
                rest[name] = value
        if self.payload is not None:
            name, content_type, encode = self.payload
            unknown = rest.keys() - {name}
            if unknown:
                raise UnserialisableResult(f"no member {min(unknown)!r}")
            body = encode(rest[name]) if name in rest else b""
            if name in rest:
                headers.insert(0, content_type)
            return status, tuple(headers), body
        if self.body is None:
            if rest:
                raise UnserialisableResult(f"no member {min(rest)!r}")
            return status, tuple(headers), b""
        return status, (_JSON, *headers), encode_json(self.body(rest))


def compile_response(shape: StructureShape | None, trees: TreeWriter) -> ResponsePlan:
    """The plan for an output shape or an exception; an empty one for an operation without output."""
    members = {} if shape is None else members_of(shape)
    headers: dict[str, tuple[str, Callable[[object], str]]] = {}
    prefixes: dict[str, str] = {}
    status: str | None = None
    body: dict[str, Shape] = {}
    for name, member in members.items():
        match text_trait(member, "location"):
            case "header":
                headers[name] = (wire_name(name, member), header_writer(member))
            case "headers":
                prefixes[name] = text_trait(member, "name") or ""
            case "statusCode":
                status = name
            case _:
                body[name] = member
    payload_name = None if shape is None else text_trait(shape, "payload")
    payload = None if payload_name is None else (payload_name, *_payload(members[payload_name], trees))
    plain = shape is not None and payload is None and (bool(body) or not members)
    write_body = trees.object_of("output" if shape is None else shape.name, body) if plain else None
    return ResponsePlan(headers, prefixes, status, payload, write_body)


def _payload(member: Shape, trees: TreeWriter) -> tuple[Header, Callable[[object], bytes]]:
    match member.type_name:
        case "blob":
            return ("Content-Type", "application/octet-stream"), require_bytes
        case "string":
            return ("Content-Type", "text/plain"), lambda value: require_text(value).encode("utf-8")
        case _:
            convert = trees.compile(member)
            return _JSON, lambda value: encode_json(convert(value))
