"""The wildcards of IAM policies: `*` is any run of characters, `?` any one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import lru_cache


class Wildcard(Enum):
    """A character of a pattern that stands for others."""

    RUN = "*"
    ONE = "?"


Token = str | Wildcard
"""A piece of a pattern: text that stands for itself, or a wildcard."""
Test = Callable[[str], bool]

_SPECIAL = re.compile(r"([*?])")


def tokens(pattern: str) -> Iterator[Token]:
    """The pieces of a pattern as it is written."""
    for piece in _SPECIAL.split(pattern):
        if piece in ("*", "?"):
            yield Wildcard(piece)
        elif piece:
            yield piece


@lru_cache(maxsize=2048)
def compile_glob(pattern: str) -> Test:
    """A test of texts against `pattern`."""
    return compile_tokens(tuple(tokens(pattern)))


def matches(pattern: str, text: str) -> bool:
    """Whether `text` fits `pattern`."""
    return compile_glob(pattern)(text)


def compile_tokens(pattern: Sequence[Token]) -> Test:
    """A test for a pattern in pieces.

    Its time is at most the length of the text times that of the longest stretch without `*`: every stretch is sought once, from the
    left, and nothing that was found is taken back.
    """
    stretches = _stretches(pattern)
    if all(isinstance(piece, str) for stretch in stretches for piece in stretch):
        return _literal_test(["".join(str(piece) for piece in stretch) for stretch in stretches])
    return _searching_test([re.compile("".join(map(_expression, stretch)), re.DOTALL) for stretch in stretches])


def _stretches(pattern: Sequence[Token]) -> list[list[Token]]:
    """The pattern cut at every `*`."""
    found: list[list[Token]] = [[]]
    for piece in pattern:
        if piece is Wildcard.RUN:
            found.append([])
        else:
            found[-1].append(piece)
    return found


def _expression(piece: Token) -> str:
    return re.escape(piece) if isinstance(piece, str) else "."


def _literal_test(stretches: list[str]) -> Test:
    first, last = stretches[0], stretches[-1]
    inner = [s for s in stretches[1:-1] if s]
    if len(stretches) == 1:
        return first.__eq__
    if inner:
        return _found_in_order(first, inner, last)
    if not first and not last:
        return _anything
    if not last:
        return lambda text: text.startswith(first)
    shortest = len(first) + len(last)
    return lambda text: len(text) >= shortest and text.startswith(first) and text.endswith(last)


def _found_in_order(first: str, inner: list[str], last: str) -> Test:
    def test(text: str) -> bool:
        if not text.startswith(first):
            return False
        at, end = len(first), len(text) - len(last)
        for stretch in inner:
            at = text.find(stretch, at, end)
            if at < 0:
                return False
            at += len(stretch)
        return at <= end and text.endswith(last)

    return test


def _searching_test(stretches: list[re.Pattern[str]]) -> Test:
    """As above where a stretch holds `?`: its expression has no repetition, so a search never backtracks."""
    first, inner, last = stretches[0], [s for s in stretches[1:-1] if s.pattern], stretches[-1]
    if len(stretches) == 1:
        return lambda text: first.fullmatch(text) is not None
    tail = _length(last.pattern)

    def test(text: str) -> bool:
        found = first.match(text)
        if found is None:
            return False
        at, end = found.end(), len(text) - tail
        for stretch in inner:
            found = stretch.search(text, at, max(end, 0))
            if found is None:
                return False
            at = found.end()
        return at <= end and last.fullmatch(text, end) is not None

    return test


def _length(expression: str) -> int:
    """How many characters an expression of escaped text and dots matches."""
    return len(re.sub(r"\\(.)", r"\1", expression, flags=re.DOTALL))


def _anything(text: str) -> bool:
    del text
    return True
