"""What a transfer reports while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where one piece of content stands."""

    COPYING = "copying"
    PRESENT = "already there"
    DONE = "done"
    TAGGED = "tagged"
    """A whole image has arrived; `what` is its name where it came from, `detail` the one where it is, and its digest."""


@dataclass(frozen=True, slots=True)
class Event:
    """One report: of a blob (`what` is its digest, `done` and `total` are bytes) or of a name that has come to be."""

    what: str
    stage: Stage
    done: int = 0
    total: int = 0
    detail: str = ""


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Report to nobody."""
