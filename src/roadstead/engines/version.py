"""Versions as tuples of numbers, and the ranges in which a recipe accepts them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

Version = tuple[int, ...]

_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<)(\d+(?:\.\d+)*)")


def parse_version(text: str) -> Version:
    """The numbers of a dotted version; trailing zeros don't count, so `2.0` equals `2`. Raises ValueError."""
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A conjunction of comparisons, written `>=2.0,<3`; the empty text accepts every version."""

    clauses: tuple[tuple[str, Version], ...]

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Read a range; raises ValueError for anything but comparisons divided by commas."""
        clauses: list[tuple[str, Version]] = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            match = _CLAUSE.fullmatch(part)
            if match is None:
                raise ValueError(f"not a version comparison: {part!r}")
            clauses.append((match[1], parse_version(match[2])))
        return cls(tuple(clauses))

    def __contains__(self, version: str) -> bool:
        """True when every comparison holds for the dotted `version`."""
        parsed = parse_version(version)
        return all(_COMPARE[sign](parsed, bound) for sign, bound in self.clauses)
