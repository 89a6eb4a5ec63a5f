"""Where the statements of a policy's text begin and end, as the policy simulator shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text; lines and columns count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Span:
    """From the first character of a statement to the one behind its last."""

    start: Position
    end: Position


def statement_spans(text: str) -> tuple[Span, ...]:
    """The statements of a policy that `parse_policy` reads, in its order."""
    return tuple(Span(_position(text, start), _position(text, end)) for start, end in _statements(text))


def _statements(text: str) -> Iterator[tuple[int, int]]:
    at = _skip(text, 0) + 1
    while text[(at := _skip(text, at))] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        if name == "Statement":
            yield from _elements(text, start) if text[start] == "[" else ((start, end),)
        at = _comma(text, end)


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    at += 1
    while text[(at := _skip(text, at))] != "]":
        start = at
        _, end = _DECODER.raw_decode(text, start)
        yield start, end
        at = _comma(text, end)


def _comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return at + 1 if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found is not None else at


def _position(text: str, at: int) -> Position:
    return Position(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
