"""Values as trees of dicts and lists: what JSON and CBOR bodies decode to and are encoded from.

The two differ in their scalars only, so each brings its own `Scalars`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

from roadstead.gateway.protocols.compiler import Members, ShapeCompiler, members_of, wire_name
from roadstead.gateway.protocols.errors import SerializationException, UnserialisableResult

Convert: TypeAlias = Callable[[object], object]


class ScalarRules(Protocol):
    """How one encoding represents the scalars of a model."""

    def parser(self, shape: Shape) -> Convert:
        """A function from the decoded value to the parameter; it raises SerializationException."""
        ...

    def writer(self, shape: Shape) -> Convert:
        """A function from the result's value to what the encoder takes; it raises UnserialisableResult."""
        ...


def forwarder(target: list[Convert]) -> Convert:
    """A function that calls the one that `target` will hold."""
    return lambda value: target[0](value)


class TreeParser(ShapeCompiler[Convert]):
    """Compiles shapes into functions from decoded trees to parameters. Unknown members and nulls are left out."""

    def __init__(self, scalars: ScalarRules) -> None:
        super().__init__()
        self._scalars = scalars

    def forward(self, target: list[Convert]) -> Convert:
        return forwarder(target)

    def structure(self, shape: StructureShape) -> Convert:
        return self.object_of(members_of(shape))

    def object_of(self, members: Members) -> Convert:
        """The parser of an object with these members."""
        table = {wire_name(name, member): (name, self.compile(member)) for name, member in members.items()}

        def parse(value: object) -> object:
            if type(value) is not dict:
                raise expected("structure", value)
            parsed: dict[str, object] = {}
            for key, item in cast("dict[object, object]", value).items():
                entry = table.get(key)  # type: ignore[arg-type]
                if entry is not None and item is not None:
                    parsed[entry[0]] = entry[1](item)
            return parsed

        return parse

    def document(self, shape: StructureShape) -> Convert:
        return lambda value: value

    def list(self, shape: ListShape) -> Convert:
        parse_item = self.compile(shape.member)

        def parse(value: object) -> object:
            if type(value) is not list:
                raise expected("list", value)
            return [None if item is None else parse_item(item) for item in cast("list[object]", value)]

        return parse

    def map(self, shape: MapShape) -> Convert:
        parse_item = self.compile(shape.value)

        def parse(value: object) -> object:
            if type(value) is not dict:
                raise expected("map", value)
            entries = cast("dict[object, object]", value)
            for key in entries:
                if type(key) is not str:
                    raise expected("String", key)
            return {key: None if item is None else parse_item(item) for key, item in entries.items()}

        return parse

    def scalar(self, shape: Shape) -> Convert:
        return self._scalars.parser(shape)


class TreeWriter(ShapeCompiler[Convert]):
    """Compiles shapes into functions from results to trees for the encoder. None members are left out."""

    def __init__(self, scalars: ScalarRules) -> None:
        super().__init__()
        self._scalars = scalars

    def forward(self, target: list[Convert]) -> Convert:
        return forwarder(target)

    def structure(self, shape: StructureShape) -> Convert:
        return self.object_of(shape.name, members_of(shape))

    def object_of(self, name: str, members: Members) -> Convert:
        """The writer of an object with these members; `name` is for the message about others."""
        table = {key: (wire_name(key, member), self.compile(member)) for key, member in members.items()}

        def write(value: object) -> object:
            if type(value) is not dict and not isinstance(value, Mapping):
                raise UnserialisableResult(f"{name}: {value!r} is not a structure")
            written: dict[str, object] = {}
            for key, item in cast("Mapping[str, object]", value).items():
                if item is None:
                    continue
                entry = table.get(key)
                if entry is None:
                    raise UnserialisableResult(f"{name} has no member {key!r}")
                written[entry[0]] = entry[1](item)
            return written

        return write

    def document(self, shape: StructureShape) -> Convert:
        return lambda value: value

    def list(self, shape: ListShape) -> Convert:
        write_item = self.compile(shape.member)
        name = shape.name

        def write(value: object) -> object:
            if not isinstance(value, (list, tuple)):
                raise UnserialisableResult(f"{name}: {value!r} is not a list")
            items = cast("list[object]", value)
            return [None if item is None else write_item(item) for item in items] if items else items

        return write

    def map(self, shape: MapShape) -> Convert:
        write_item = self.compile(shape.value)
        name = shape.name

        def write(value: object) -> object:
            if not isinstance(value, Mapping):
                raise UnserialisableResult(f"{name}: {value!r} is not a map")
            entries = cast("Mapping[str, object]", value)
            return {key: None if item is None else write_item(item) for key, item in entries.items()}

        return write

    def scalar(self, shape: Shape) -> Convert:
        return self._scalars.writer(shape)


def expected(kind: str, value: object) -> SerializationException:
    """The error for a value of another type, in the words of AWS's own deserialiser."""
    if kind == "list":
        return SerializationException("Expected list or null")
    if isinstance(value, dict):
        return SerializationException("Start of structure or map found where not expected.")
    if isinstance(value, (list, tuple)):
        return SerializationException("Start of list found where not expected")
    if kind in ("structure", "map"):
        return SerializationException("Expected structure or map, or null")
    return SerializationException(f"{_token(value)} cannot be converted to {kind.capitalize()}")


def _token(value: object) -> str:
    match value:
        case bool():
            return "TRUE_VALUE" if value else "FALSE_VALUE"
        case str():
            return "STRING_VALUE"
        case bytes():
            return "BINARY_VALUE"
        case float() if not value.is_integer():
            return "DECIMAL_VALUE"
        case int() | float():
            return "NUMBER_VALUE"
        case _:
            return "VALUE"
