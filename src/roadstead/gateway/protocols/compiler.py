"""Turning shapes into functions, once.

Walking a model for every request is slow; instead each shape becomes a closure that knows its members. Shapes may be
recursive, so a shape that is being compiled hands out a function that forwards to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Generic, TypeAlias, TypeVar, cast
from weakref import ReferenceType, ref

from botocore.model import ListShape, MapShape, Shape, StructureShape

K = TypeVar("K")
F = TypeVar("F")

Members: TypeAlias = dict[str, Shape]


def trait(shape: Shape, name: str) -> object:
    """A serialization trait of the shape or of the reference that led to it (`location`, `flattened`, ...)."""
    return cast("dict[str, object]", shape.serialization).get(name)


def text_trait(shape: Shape, name: str) -> str | None:
    """A trait that is text, or None."""
    value = trait(shape, name)
    return value if isinstance(value, str) else None


def members_of(shape: StructureShape) -> Members:
    """Member shapes by name, in the model's order."""
    return shape.members


def wire_name(name: str, shape: Shape) -> str:
    """The member's name on the wire: its locationName, or its own."""
    return text_trait(shape, "name") or name


class ShapeCompiler(ABC, Generic[F]):
    """Compiles the shapes of one model. Not for use by several models: shape names repeat among them."""

    def __init__(self) -> None:
        self._made: dict[Hashable, F] = {}

    def compile(self, shape: Shape) -> F:
        """The function for `shape`; the same one for the same shape and traits."""
        key = self.key(shape)
        made = self._made.get(key)
        if made is not None:
            return made
        target: list[F] = []
        self._made[key] = self.forward(target)
        made = self.build(shape)
        target.append(made)
        self._made[key] = made
        return made

    def key(self, shape: Shape) -> Hashable:
        """What distinguishes the functions of one shape name: the traits that change how the value itself is read."""
        return (shape.name, text_trait(shape, "timestampFormat"), bool(trait(shape, "flattened")))

    def build(self, shape: Shape) -> F:
        """Makes the function for a shape by its type."""
        if isinstance(shape, StructureShape):
            return self.document(shape) if shape.is_document_type else self.structure(shape)
        if isinstance(shape, ListShape):
            return self.list(shape)
        if isinstance(shape, MapShape):
            return self.map(shape)
        return self.scalar(shape)

    @abstractmethod
    def forward(self, target: list[F]) -> F:
        """A function that calls `target[0]`, which is there by the time it runs."""

    @abstractmethod
    def structure(self, shape: StructureShape) -> F: ...

    @abstractmethod
    def document(self, shape: StructureShape) -> F: ...

    @abstractmethod
    def list(self, shape: ListShape) -> F: ...

    @abstractmethod
    def map(self, shape: MapShape) -> F: ...

    @abstractmethod
    def scalar(self, shape: Shape) -> F: ...


class PerModel(Generic[K, F]):
    """A value made once for a model object and dropped with it. Every request asks several times: a WeakKeyDictionary takes five times as long."""

    def __init__(self, make: Callable[[K], F]) -> None:
        self._make = make
        self._made: dict[int, tuple[ReferenceType[K], F]] = {}

    def __call__(self, model: K) -> F:
        """The value for `model`, made now if this is the first time."""
        key = id(model)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = (ref(model, lambda _: self._made.pop(key)), self._make(model))
        return found[1]
