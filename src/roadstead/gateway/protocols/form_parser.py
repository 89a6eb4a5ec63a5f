"""Parameters from form trees: the query and EC2 protocols' ways to write lists, maps and names.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html, https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from botocore.model import ListShape, MapShape, Shape, StructureShape

from roadstead.gateway.protocols.compiler import ShapeCompiler, members_of, text_trait, trait, wire_name
from roadstead.gateway.protocols.errors import ProtocolError
from roadstead.gateway.protocols.form import Branch, Node, items_of, text_of
from roadstead.gateway.protocols.scalars import BadText, text_parser

Read: TypeAlias = Callable[[Node], object]
BadValue: TypeAlias = Callable[[str, str], ProtocolError]
"""Makes the error for a text that is not of a kind, as `("x", "an integer")`."""


class FormParser(ShapeCompiler[Read]):
    """Compiles shapes into functions from form trees to parameters, by the rules of the query protocol."""

    def __init__(self, bad_value: BadValue) -> None:
        super().__init__()
        self._bad_value = bad_value

    def forward(self, target: list[Read]) -> Read:
        return lambda node: target[0](node)

    def member_names(self, name: str, member: Shape) -> tuple[str, ...]:
        """The names that a member may have on the wire."""
        names = (wire_name(name, member),)
        if isinstance(member, ListShape) and trait(member, "flattened"):
            item_name = text_trait(member.member, "name")
            if item_name:
                # An empty list keeps the list's own name.
                return (item_name, *names)
        return names

    def structure(self, shape: StructureShape) -> Read:
        table: dict[str, tuple[str, Read]] = {}
        for name, member in members_of(shape).items():
            read = self.compile(member)
            for wire in self.member_names(name, member):
                table.setdefault(wire, (name, read))
        bad_value = self._bad_value

        def parse(node: Node) -> object:
            if isinstance(node, str):
                if node:
                    raise bad_value(node, "a structure")
                return {}
            parsed: dict[str, object] = {}
            for key, below in node.items():
                entry = table.get(key)
                if entry is not None:
                    parsed[entry[0]] = entry[1](below)
            return parsed

        return parse

    def document(self, shape: StructureShape) -> Read:
        return lambda node: text_of(node) or ""

    def list(self, shape: ListShape) -> Read:
        return self.items(self.compile(shape.member), None if trait(shape, "flattened") else self.item_name(shape))

    def item_name(self, shape: ListShape) -> str | None:
        """What stands between a list's name and the number of an item."""
        return text_trait(shape.member, "name") or "member"

    def items(self, read: Read, below: str | None) -> Read:
        """Reads numbered items of a node, or of what it has under `below`."""
        bad_value = self._bad_value

        def parse(node: Node) -> object:
            if isinstance(node, str):
                if node:
                    raise bad_value(node, "a list")
                return []
            numbered = node if below is None else node.get(below, {})
            if isinstance(numbered, str):
                raise bad_value(numbered, "a list")
            return [read(item) for item in items_of(numbered)]

        return parse

    def map(self, shape: MapShape) -> Read:
        read_key, read_value = self.compile(shape.key), self.compile(shape.value)
        key_name, value_name = wire_name("key", shape.key), wire_name("value", shape.value)
        bad_value = self._bad_value

        def entry(node: Node) -> object:
            if isinstance(node, str) or key_name not in node:
                raise bad_value(text_of(node) or "", "a map entry with a key")
            return (read_key(node[key_name]), read_value(node[value_name]) if value_name in node else None)

        read_entries = self.items(entry, None if trait(shape, "flattened") else "entry")

        def parse(node: Node) -> object:
            entries = read_entries(node)
            return dict(entries)  # type: ignore[call-overload]

        return parse

    def scalar(self, shape: Shape) -> Read:
        read = text_parser(shape)
        bad_value = self._bad_value

        def parse(node: Node) -> object:
            text = text_of(node)
            if text is None:
                raise bad_value("", "a single value")
            try:
                return read(text)
            except BadText as error:
                raise bad_value(text, str(error)) from error

        return parse


class Ec2FormParser(FormParser):
    """The EC2 protocol: names in upper case, lists always flat, items without a name."""

    def member_names(self, name: str, member: Shape) -> tuple[str, ...]:
        query_name = text_trait(member, "queryName")
        if query_name:
            return (query_name,)
        located = text_trait(member, "name")
        if located:
            return (_capitalised(located),)
        # Smithy says to capitalise a name that is not located; botocore sends it as it is.
        return (name, _capitalised(name))

    def list(self, shape: ListShape) -> Read:
        return self.items(self.compile(shape.member), None)


def _capitalised(name: str) -> str:
    return name[:1].upper() + name[1:]


def unknown_names(tree: Branch, known: frozenset[str]) -> list[str]:
    """The top-level names of a form that are neither known nor part of how requests are addressed and signed."""
    return [name for name in tree if name not in known and not name.startswith(_ADDRESSING)]


_ADDRESSING = (
    "Action",
    "Version",
    "AWSAccessKeyId",
    "Signature",
    "Timestamp",
    "SecurityToken",
    "Expires",
    "X-Amz-",
    "x-amz-",
)
