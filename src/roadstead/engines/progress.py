"""What an installation reports while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where the installation of one engine stands."""

    WAITING = "waiting"
    """Another process installs the same engine."""
    DOWNLOADING = "downloading"
    BUILDING = "building"
    INSTALLING = "installing"
    PASSED_OVER = "passed over"
    """A provider would not do; `detail` says which and why. The next one follows."""
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Event:
    """One report; `done` and `total` count bytes while downloading and packages while building, None where unknown."""

    engine: str
    stage: Stage
    detail: str = ""
    done: int | None = None
    total: int | None = None


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Report to nobody."""
