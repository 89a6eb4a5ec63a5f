"""Answers that were read just now, and may be given again without asking the database.

What a client was allowed to read stays true until something is committed, so an answer is good for as long as the database has the
version that it was read at. Only a database that this one process writes has such a number; with others every request reads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from roadstead.kernel.clock import Clock
from roadstead.services.ecr.api import RepositoryKey

T = TypeVar("T")

LIFETIME_SECONDS = 1.0
"""An answer is not used for longer, because a policy may depend on the time of day."""

Question = tuple[bytes, RepositoryKey, str]
"""The client's login, the repository, and the tag or digest."""


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
        self._answers: OrderedDict[Question, tuple[T, float]] = OrderedDict()

    def find(self, question: Question) -> T | None:
        """The answer that this very question was given, while nothing has changed."""
        if self._at != self.version():
            return None
        entry = self._answers.get(question)
        if entry is None or entry[1] < self._clock.monotonic():
            return None
        return entry[0]

    def remember(self, question: Question, answer: T, version: int | None) -> None:
        """Keep an answer that was read after `version` was asked for."""
        if version is None or version != self.version():
            return
        if self._at != version:
            self._answers.clear()
            self._at, self._held = version, 0
        previous = self._answers.pop(question, None)
        self._held += self._weight(answer) - (self._weight(previous[0]) if previous else 0)
        self._answers[question] = (answer, self._clock.monotonic() + LIFETIME_SECONDS)
        while self._held > self._capacity:
            _, (dropped, _) = self._answers.popitem(last=False)
            self._held -= self._weight(dropped)
