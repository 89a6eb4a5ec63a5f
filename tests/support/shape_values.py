"""Random values of the models' shapes, for round trips through botocore's serialisers and parsers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEEPEST = 5
NOTHING = object()
"""A structure that would be empty: it leaves no trace on some protocols."""

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
XML_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("\t\n\r"), max_size=12)
HEADER_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
URI_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


def moments(*, whole: bool = False) -> st.SearchStrategy[datetime]:
    """Times of this century, in milliseconds or whole seconds."""
    unit = 1000 if whole else 1
    return st.integers(0, 4_000_000_000).map(lambda n: EPOCH + timedelta(milliseconds=n * 999 // unit * unit))


def scalar(shape: Shape, text: st.SearchStrategy[str], *, whole: bool) -> st.SearchStrategy[Any]:
    """Values of a scalar shape."""
    match shape.type_name:
        case "integer":
            return st.integers(-(2**31), 2**31 - 1)
        case "long":
            return st.integers(-(2**63), 2**63 - 1)
        case "float" | "double":
            return st.floats(allow_nan=False, width=32)
        case "boolean":
            return st.booleans()
        case "blob":
            return st.binary(min_size=1, max_size=12)
        case "timestamp":
            return moments(whole=whole)
        case _:
            return text


@st.composite
def structures(draw: st.DrawFn, shape: StructureShape, text: st.SearchStrategy[str] = ANY_TEXT) -> dict[str, Any]:
    """Values of a structure, a few members of each; no member is an empty structure."""
    value = _value(draw, shape, text, 0)
    return {} if value is NOTHING else value


def _value(draw: st.DrawFn, shape: Shape, text: st.SearchStrategy[str], depth: int) -> Any:
    location = shape.serialization.get("location")
    if location == "uri":
        text = URI_TEXT
    elif location in ("header", "headers", "querystring"):
        text = HEADER_TEXT
    if isinstance(shape, StructureShape):
        return _structure(draw, shape, text, depth)
    if isinstance(shape, ListShape):
        if depth >= DEEPEST:
            return NOTHING
        items = [_value(draw, shape.member, text, depth + 1) for _ in range(draw(st.integers(1, 2)))]
        kept = [item for item in items if item is not NOTHING]
        return kept or NOTHING
    if isinstance(shape, MapShape):
        if depth >= DEEPEST:
            return NOTHING
        keys = draw(st.lists(text.filter(bool), min_size=1, max_size=2, unique=True))
        entries = {key: _value(draw, shape.value, text, depth + 1) for key in keys}
        return {key: item for key, item in entries.items() if item is not NOTHING} or NOTHING
    return draw(scalar(shape, text, whole=location is not None))


def _structure(draw: st.DrawFn, shape: StructureShape, text: st.SearchStrategy[str], depth: int) -> Any:
    if shape.is_document_type:
        return draw(st.dictionaries(ANY_TEXT, st.integers() | ANY_TEXT, max_size=2))
    names = [name for name, member in shape.members.items() if not member.serialization.get("eventstream")]
    if not names or depth >= DEEPEST:
        return NOTHING
    bound = [name for name in names if shape.members[name].serialization.get("location") == "uri"]
    free = [name for name in names if name not in bound]
    wanted = draw(st.lists(st.sampled_from(free), min_size=1, max_size=4, unique=True)) if free else []
    if shape.is_tagged_union:
        wanted = wanted[:1]
    members = {name: _value(draw, shape.members[name], text, depth + 1) for name in (*bound, *wanted)}
    return {name: value for name, value in members.items() if value is not NOTHING} or NOTHING
