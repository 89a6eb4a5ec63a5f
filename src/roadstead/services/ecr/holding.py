"""When what is here stays: the upstream's new one can't be had, and that is no fault of ours."""

from __future__ import annotations

from typing import Generic, TypeVar

from roadstead.access.errors import AccessDenied
from roadstead.kernel.clock import Clock
from roadstead.kernel.errors import ServiceError
from roadstead.services.ecr.upstream import UpstreamError
from roadstead.store.blobs import StorageFull

T = TypeVar("T")

_OF_US = 500
"""From this HTTP status on, an error is a fault of ours."""


def reason_to_hold(error: Exception) -> str | None:
    """Why the upstream's new one is not to be had; None for a fault of ours, which whoever pulls is to see.

    The upstream did not give it, the asker has no leave to import it, it does not fit here, or this repository does not take it.
    """
    match error:
        case AccessDenied():
            return error.message
        case ServiceError():
            return error.message if error.status < _OF_US else None
        case UpstreamError():
            return str(error)
        case StorageFull():
            return "there is no space left for content"
        case _:
            return None


class Pauses(Generic[T]):
    """What is left alone for `seconds` after it was begun; in this process only."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until: dict[T, float] = {}

    def begin(self, what: T) -> bool:
        """Leave this alone from now on; False when that is so already."""
        if self.holds(what):
            return False
        now = self._clock.monotonic()
        self._until = {each: until for each, until in self._until.items() if until > now}
        self._until[what] = now + self._seconds
        return True

    def holds(self, what: T) -> bool:
        """Whether this is left alone."""
        return self._until.get(what, 0.0) > self._clock.monotonic()
