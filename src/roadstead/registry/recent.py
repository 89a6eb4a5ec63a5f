"""Answers that were read just now, and may be given again without asking the database.

What a client was allowed to read stays true until something is committed, so an answer is good for as long as the database has the
version that it was read at. Only a database that this one process writes has such a number; with others every request reads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from roadstead.access.arrival import Arrival
from roadstead.kernel.clock import Clock
from roadstead.services.ecr.api import RepositoryKey

T = TypeVar("T")

LIFETIME_SECONDS = 1.0
"""An answer is not used for longer, because a policy may depend on the time of day."""

Question = tuple[bytes, Arrival, RepositoryKey, str]
"""The client's login, how its request came in, the repository, and the tag or digest: all that an answer can depend on."""


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """An answer, the version that it was read at, and until when it is used."""

    answer: T
    version: int
    until: float


class Recent(Generic[T]):
    """Answers of one kind, up to `capacity` by `weight`; forgotten whenever the version changes."""

    def __init__(
        self, version: Callable[[], int | None], clock: Clock, weight: Callable[[T], int], capacity: int
    ) -> None:
        self.version = version
        """`Store.version`, of now."""
        self._clock = clock
        self._weight = weight
        self._capacity = capacity
        self._at: int | None = None
        self._held = 0
        self._answers: OrderedDict[Question, Kept[T]] = OrderedDict()

    def find(self, question: Question) -> Kept[T] | None:
        """The answer that this very question was given, while nothing has changed."""
        kept = self._answers.get(question)
        return kept if kept is not None and self.holds(kept) else None

    def holds(self, kept: Kept[T]) -> bool:
        """Whether an answer may still be given."""
        return kept.version == self.version() and self._clock.monotonic() <= kept.until

    def remember(self, question: Question, answer: T, version: int | None) -> Kept[T] | None:
        """Keep an answer that was read after `version` was asked for; None where it does not hold any more."""
        if version is None or version != self.version():
            return None
        if self._at != version:
            self._answers.clear()
            self._at, self._held = version, 0
        previous = self._answers.pop(question, None)
        self._held += self._weight(answer) - (self._weight(previous.answer) if previous else 0)
        kept = self._answers[question] = Kept(answer, version, self._clock.monotonic() + LIFETIME_SECONDS)
        while self._held > self._capacity:
            _, dropped = self._answers.popitem(last=False)
            self._held -= self._weight(dropped.answer)
        return kept
