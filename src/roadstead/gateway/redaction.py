"""Parameters and results as an event may show them: in CloudTrail's case, without secrets and without content.

What is secret is said by the model (its `sensitive` trait) and by names (`audit.secrets`); each shape becomes a function once.
Parameters are told before they are held against the model, so lists and maps may have nulls in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from roadstead.audit.secrets import HIDDEN, is_content, is_secret
from roadstead.gateway.protocols.compiler import PerModel, ShapeCompiler

Redact: TypeAlias = Callable[[Any, list[str]], object]
"""From a value to what is shown of it; texts that were hidden are added to the list."""


def hide(value: object, hidden: list[str]) -> object:
    """Nothing is shown but that there was something."""
    _gather(value, hidden)
    return HIDDEN


def omit(value: object, hidden: list[str]) -> object:
    """Content: how much there was of it, bytes or entries."""
    del hidden
    size = len(value) if isinstance(value, bytes | str | list | dict) else 0  # pyright: ignore[reportUnknownArgumentType]
    return {"omitted": True, "originalSize": size}


def _gather(value: object, hidden: list[str]) -> None:
    match value:
        case str():
            hidden.append(value)
        case dict():
            for each in value.values():  # pyright: ignore[reportUnknownVariableType]
                _gather(each, hidden)  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for each in value:  # pyright: ignore[reportUnknownVariableType]
                _gather(each, hidden)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return


def show(value: object, hidden: list[str]) -> object:
    """A value with nothing to hide."""
    del hidden
    return value


class Redaction(ShapeCompiler[Redact]):
    """Compiles the shapes of one service."""

    def compile(self, shape: Shape) -> Redact:
        if shape.metadata.get("sensitive"):
            return hide
        return super().compile(shape)

    def forward(self, target: list[Redact]) -> Redact:
        return lambda value, hidden: target[0](value, hidden)

    def structure(self, shape: StructureShape) -> Redact:
        members = {name: (_camel(name), self._member(name, member)) for name, member in shape.members.items()}

        def redact(value: Mapping[str, Any], hidden: list[str]) -> object:
            shown: dict[str, object] = {}
            for name, each in value.items():
                known = members.get(name)
                if known is not None and each is not None:
                    shown[known[0]] = each if known[1] is show else known[1](each, hidden)
            return shown

        return redact

    def _member(self, name: str, shape: Shape) -> Redact:
        if is_content(name):
            return omit
        if not isinstance(shape, StructureShape | ListShape | MapShape) and is_secret(name) and _may_hold(shape):
            return hide
        return self.compile(shape)

    def document(self, shape: StructureShape) -> Redact:
        del shape
        return omit

    def list(self, shape: ListShape) -> Redact:
        member = self.compile(shape.member)
        if member is show:
            return show
        return lambda value, hidden: [None if each is None else member(each, hidden) for each in value]

    def map(self, shape: MapShape) -> Redact:
        member = self.compile(shape.value)
        scalar = not isinstance(shape.value, StructureShape | ListShape | MapShape)

        def redact_entry(name: str, each: object, hidden: list[str]) -> object:
            return hide(each, hidden) if scalar and is_secret(name) else member(each, hidden)

        def redact(value: Mapping[str, Any], hidden: list[str]) -> object:
            return {name: None if each is None else redact_entry(name, each, hidden) for name, each in value.items()}

        return redact

    def scalar(self, shape: Shape) -> Redact:
        return omit if shape.type_name == "blob" else show


def _may_hold(shape: Shape) -> bool:
    """Whether a value of this type can be a secret; a time or a switch can't."""
    return shape.type_name in ("string", "blob")


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


redactions: PerModel[ServiceModel, Redaction] = PerModel(lambda _service: Redaction())
"""The compiler of each service's model."""
