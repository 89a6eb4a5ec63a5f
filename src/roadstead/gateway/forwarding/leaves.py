"""The texts among a request's parameters, each under the name that the model gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

from roadstead.core.forwarding.resources import Leaf
from roadstead.gateway.protocols.compiler import members_of


def leaves_of(shape: Shape | None, params: Mapping[str, Any]) -> list[Leaf]:
    """Every text in `params`, outermost first; a map's keys go by the name of their shape (`TableName`)."""
    return list(_walk("", shape, params, 0)) if shape is not None else []


def _walk(name: str, shape: Shape, value: object, depth: int) -> Iterator[Leaf]:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        members, given = members_of(shape), cast("Mapping[str, object]", value)
        texts = [member for member, part in given.items() if isinstance(part, str)]
        for member in sorted(given, key=lambda each: each not in texts):
            if member in members:
                yield from _walk(member, members[member], given[member], depth + 1)
    elif isinstance(shape, ListShape) and isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for part in cast("Sequence[object]", value):
            yield from _walk(name, shape.member, part, depth + 1)
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        for key, part in cast("Mapping[str, object]", value).items():
            yield Leaf(shape.key.name, key)
            yield from _walk("", shape.value, part, depth + 1)
    elif isinstance(value, str):
        yield Leaf(name, value, top=depth == 1)
