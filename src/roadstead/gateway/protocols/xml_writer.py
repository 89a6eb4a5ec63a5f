"""Results as XML, for the query and EC2 protocols."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from typing import TypeAlias, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

from roadstead.gateway.protocols.compiler import ShapeCompiler, members_of, text_trait, trait, wire_name
from roadstead.gateway.protocols.errors import UnserialisableResult
from roadstead.gateway.protocols.scalars import text_writer

Write: TypeAlias = Callable[[list[str], object], None]
"""Appends the elements for a value to a document that is being written."""

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;"}


def escape(text: str) -> str:
    """`text` as XML content; characters that XML 1.0 can't carry at all become U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found.group(), "\ufffd"), text)


class XmlWriter(ShapeCompiler["Callable[[str], Write]"]):
    """Compiles shapes into functions that, for an element's name, give the function that writes it."""

    def forward(self, target: list[Callable[[str], Write]]) -> Callable[[str], Write]:
        def named(tag: str) -> Write:
            made: list[Write] = []

            def write(out: list[str], value: object) -> None:
                if not made:
                    made.append(target[0](tag))
                made[0](out, value)

            return write

        return named

    def key(self, shape: Shape) -> Hashable:
        return (*cast("tuple[Hashable, ...]", super().key(shape)), repr(trait(shape, "xmlNamespace")))

    def structure(self, shape: StructureShape) -> Callable[[str], Write]:
        attributes = _namespace(shape)
        dynamic = {
            name: wire_name(name, member) for name, member in members_of(shape).items() if trait(member, "xmlAttribute")
        }
        content = self.content_of(shape)

        def named(tag: str) -> Write:
            start, end = f"<{tag}{attributes}", f"</{tag}>"

            def write(out: list[str], value: object) -> None:
                members = _mapping(shape, value)
                out.append(start)
                for name, attribute in dynamic.items():
                    if members.get(name) is not None:
                        out.append(f' {attribute}="{escape(str(members[name]))}"')
                out.append(">")
                content(out, {k: v for k, v in members.items() if k not in dynamic} if dynamic else members)
                out.append(end)

            return write

        return named

    def content_of(self, shape: StructureShape) -> Write:
        """Writes the members of a structure without an element around them."""
        table: dict[str, Write] = {}
        pending = {name: (self.compile(member), wire_name(name, member)) for name, member in members_of(shape).items()}

        def write(out: list[str], value: object) -> None:
            for name, item in _mapping(shape, value).items():
                if item is None:
                    continue
                member = table.get(name)
                if member is None:
                    if name not in pending:
                        raise UnserialisableResult(f"{shape.name} has no member {name!r}")
                    compiled, tag = pending[name]
                    member = table[name] = compiled(tag)
                member(out, item)

        return write

    def document(self, shape: StructureShape) -> Callable[[str], Write]:
        raise UnserialisableResult(f"{shape.name}: XML protocols have no documents")

    def list(self, shape: ListShape) -> Callable[[str], Write]:
        item = self.compile(shape.member)
        item_name = text_trait(shape.member, "name")
        flattened = bool(trait(shape, "flattened"))
        attributes = _namespace(shape)

        def named(tag: str) -> Write:
            write_item = item((item_name or tag) if flattened else (item_name or "member"))
            start, end = ("", "") if flattened else (f"<{tag}{attributes}>", f"</{tag}>")

            def write(out: list[str], value: object) -> None:
                if not isinstance(value, (list, tuple)):
                    raise UnserialisableResult(f"{shape.name}: {value!r} is not a list")
                out.append(start)
                for one in cast("list[object]", value):
                    write_item(out, one)
                out.append(end)

            return write

        return named

    def map(self, shape: MapShape) -> Callable[[str], Write]:
        write_key = self.compile(shape.key)(wire_name("key", shape.key))
        write_value = self.compile(shape.value)(wire_name("value", shape.value))
        flattened = bool(trait(shape, "flattened"))
        attributes = _namespace(shape)

        def named(tag: str) -> Write:
            start, end = ("", "") if flattened else (f"<{tag}{attributes}>", f"</{tag}>")
            entry = tag if flattened else "entry"

            def write(out: list[str], value: object) -> None:
                out.append(start)
                for key, one in _mapping(shape, value).items():
                    out.append(f"<{entry}>")
                    write_key(out, key)
                    write_value(out, one)
                    out.append(f"</{entry}>")
                out.append(end)

            return write

        return named

    def scalar(self, shape: Shape) -> Callable[[str], Write]:
        text = text_writer(shape, "iso8601")
        attributes = _namespace(shape)

        def named(tag: str) -> Write:
            start, end = f"<{tag}{attributes}>", f"</{tag}>"
            return lambda out, value: out.append(f"{start}{escape(text(value))}{end}")

        return named


def _mapping(shape: Shape, value: object) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value)
    raise UnserialisableResult(f"{shape.name}: {value!r} is not a structure")


def _namespace(shape: Shape) -> str:
    declared = trait(shape, "xmlNamespace")
    if isinstance(declared, dict):
        traits = cast("dict[str, str]", declared)
        prefix = f":{traits['prefix']}" if traits.get("prefix") else ""
        return f' xmlns{prefix}="{escape(traits["uri"])}"'
    return f' xmlns="{escape(declared)}"' if isinstance(declared, str) else ""
