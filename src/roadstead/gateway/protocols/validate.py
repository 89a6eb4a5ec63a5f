"""Checks parameters against the model's constraints: required, length, range, enum, pattern, union.

The time is bounded by the size of the parameters: patterns are matched by RE2, and checking stops after MOST
violations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from roadstead.gateway.protocols.compiler import PerModel, ShapeCompiler, members_of
from roadstead.gateway.protocols.constraints import Kind, Path, Violation
from roadstead.gateway.protocols.errors import SerializationException
from roadstead.gateway.protocols.patterns import matcher
from roadstead.gateway.protocols.validation_style import violation_error

Check: TypeAlias = Callable[[object, Path, list[Violation]], None]
"""Adds what is wrong with a value at a path."""

MOST = 20

_NULL = "Member must not be null"


def validate(service_name: str, operation: OperationModel, params: Mapping[str, object]) -> None:
    """Return when `params` keep all constraints; raises the error that this service answers with otherwise."""
    violations = violations_of(operation, params)
    if violations:
        raise violation_error(service_name, operation, violations)


def violations_of(operation: OperationModel, params: Mapping[str, object]) -> list[Violation]:
    """The constraints that `params` break, at most MOST, in the order of the parameters."""
    check = _inputs(operation)
    if check is None:
        return []
    found: list[Violation] = []
    try:
        check(params, (), found)
    except RecursionError as error:
        raise SerializationException("The parameters are nested too deeply") from error
    return found[:MOST]


class _Checker(ShapeCompiler["Check | None"]):
    """Compiles shapes into checks, None where nothing below the shape has a constraint."""

    def forward(self, target: list[Check | None]) -> Check | None:
        def check(value: object, path: Path, found: list[Violation]) -> None:
            made = target[0]
            if made is not None:
                made(value, path, found)

        return check

    def structure(self, shape: StructureShape) -> Check | None:
        checks = {name: check for name, member in members_of(shape).items() if (check := self.compile(member))}
        required = tuple(shape.required_members)
        union = bool(shape.is_tagged_union)
        if not checks and not required and not union:
            return None

        def check_structure(value: object, path: Path, found: list[Violation]) -> None:
            members = cast("Mapping[str, object]", value)
            if required:
                missing = [name for name in required if members.get(name) is None]
                found.extend(Violation(Kind.REQUIRED, (*path, name), _NULL) for name in missing)
            if union and len(members) != 1:
                found.append(Violation(Kind.UNION, path, "Member must have exactly one of its members set", value))
            for name, item in members.items():
                check = checks.get(name)
                if check is not None and item is not None:
                    check(item, (*path, name), found)

        return check_structure

    def document(self, shape: StructureShape) -> Check | None:
        return None

    def list(self, shape: ListShape) -> Check | None:
        length = _length_check(shape)
        item_check = self.compile(shape.member)

        def check_list(value: object, path: Path, found: list[Violation]) -> None:
            if length is not None:
                length(value, path, found)
            for position, item in enumerate(cast("list[object]", value), 1):
                if item is None:
                    found.append(Violation(Kind.REQUIRED, (*path, position), _NULL))
                elif item_check is not None:
                    item_check(item, (*path, position), found)
                if len(found) >= MOST:
                    return

        return check_list

    def map(self, shape: MapShape) -> Check | None:
        length = _length_check(shape)
        key_check, value_check = self.compile(shape.key), self.compile(shape.value)

        def check_map(value: object, path: Path, found: list[Violation]) -> None:
            if length is not None:
                length(value, path, found)
            for key, item in cast("Mapping[str, object]", value).items():
                if key_check is not None:
                    key_check(key, (*path, key), found)
                if item is None:
                    found.append(Violation(Kind.REQUIRED, (*path, key), _NULL))
                elif value_check is not None:
                    value_check(item, (*path, key), found)
                if len(found) >= MOST:
                    return

        return check_map

    def scalar(self, shape: Shape) -> Check | None:
        match shape.type_name:
            case "string":
                checks = [_enum_check(shape) or _pattern_check(shape), _length_check(shape)]
            case "blob":
                checks = [_length_check(shape)]
            case "integer" | "long" | "float" | "double":
                checks = [_range_check(shape)]
            case _:
                checks = []
        made = [check for check in checks if check is not None]
        if not made:
            return None
        if len(made) == 1:
            return made[0]
        first, second = made

        def both(value: object, path: Path, found: list[Violation]) -> None:
            first(value, path, found)
            second(value, path, found)

        return both


def _trait(shape: Shape, name: str) -> object:
    return cast("Mapping[str, object]", shape.metadata).get(name)


def _bound(shape: Shape, name: str) -> float | None:
    value = _trait(shape, name)
    return value if isinstance(value, (int, float)) else None


def _length_check(shape: Shape) -> Check | None:
    low, high = _bound(shape, "min"), _bound(shape, "max")
    # A minimum of 0 says nothing.
    least = low if low else 0
    if not least and high is None:
        return None
    most = float("inf") if high is None else high
    sensitive = bool(_trait(shape, "sensitive"))

    def check(value: object, path: Path, found: list[Violation]) -> None:
        length = len(cast("str", value))
        if length < least:
            text = f"Member must have length greater than or equal to {low}"
            found.append(Violation(Kind.LENGTH, path, text, value, sensitive))
        elif length > most:
            text = f"Member must have length less than or equal to {high}"
            found.append(Violation(Kind.LENGTH, path, text, value, sensitive))

    return check


def _range_check(shape: Shape) -> Check | None:
    low, high = _bound(shape, "min"), _bound(shape, "max")
    if low is None and high is None:
        return None
    least = float("-inf") if low is None else low
    most = float("inf") if high is None else high

    def check(value: object, path: Path, found: list[Violation]) -> None:
        number = cast("float", value)
        if number < least:
            text = f"Member must have value greater than or equal to {low}"
            found.append(Violation(Kind.RANGE, path, text, value))
        elif number > most:
            text = f"Member must have value less than or equal to {high}"
            found.append(Violation(Kind.RANGE, path, text, value))

    return check


def _enum_check(shape: Shape) -> Check | None:
    values = _trait(shape, "enum")
    if not isinstance(values, list) or not values:
        return None
    allowed = frozenset(cast("list[str]", values))
    constraint = f"Member must satisfy enum value set: [{', '.join(cast('list[str]', values))}]"

    def check(value: object, path: Path, found: list[Violation]) -> None:
        if value not in allowed:
            found.append(Violation(Kind.ENUM, path, constraint, value))

    return check


def _pattern_check(shape: Shape) -> Check | None:
    pattern = _trait(shape, "pattern")
    if not isinstance(pattern, str):
        return None
    matches = matcher(pattern)
    if matches is None:
        return None
    constraint = f"Member must satisfy regular expression pattern: {pattern}"
    sensitive = bool(_trait(shape, "sensitive"))

    def check(value: object, path: Path, found: list[Violation]) -> None:
        if not matches(cast("str", value)):
            found.append(Violation(Kind.PATTERN, path, constraint, value, sensitive))

    return check


def _compile_input(operation: OperationModel) -> Check | None:
    shape = operation.input_shape
    return None if shape is None else _checkers(operation.service_model).compile(shape)


_checkers: PerModel[ServiceModel, _Checker] = PerModel(lambda _service: _Checker())
_inputs: PerModel[OperationModel, Check | None] = PerModel(_compile_input)
