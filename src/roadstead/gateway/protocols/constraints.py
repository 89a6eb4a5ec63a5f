"""What can be wrong with parameters that are of the right types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Member names, map keys and list positions (from 1) that lead to a value."""


class Kind(StrEnum):
    """The constraint that a value breaks."""

    REQUIRED = "required"
    LENGTH = "length"
    RANGE = "range"
    ENUM = "enum"
    PATTERN = "pattern"
    UNION = "union"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint; `constraint` is its text as AWS's own validator words it ("Member must ...")."""

    kind: Kind
    path: Path
    constraint: str
    value: object = None
    sensitive: bool = False
