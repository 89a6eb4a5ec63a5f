"""A queue of names of work: a name waits once however often it is added, and is worked on by one worker at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY = 0.05
LONGEST_RETRY = 30.0


def backoff(failures: int) -> float:
    """Seconds to wait after the n-th failure in a row (the first is 1): doubling, bounded."""
    return min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures - 1, 16))


class WorkQueue(Generic[Key]):
    """Level-triggered work: a name that is added while it is worked on comes up again afterwards."""

    def __init__(self) -> None:
        self._waiting: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._working: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._arrival = asyncio.Event()

    def add(self, key: Key) -> None:
        """Ask for work on `key` now."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._waiting.append(key)
            self._arrival.set()

    async def take(self) -> Key:
        """Wait for a name to work on; `done` or `failed` must follow."""
        while not self._waiting:
            self._arrival.clear()
            await self._arrival.wait()
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """The work on `key` succeeded."""
        self._failures.pop(key, None)
        self._release(key)

    def failed(self, key: Key) -> None:
        """The work on `key` failed: it comes up again after a growing delay, or at once when it is added."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._release(key)
        if key not in self._dirty:
            self._timers[key] = asyncio.get_running_loop().call_later(backoff(failures), self.add, key)

    def close(self) -> None:
        """Cancel the retries that are due."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _release(self, key: Key) -> None:
        self._working.discard(key)
        if key in self._dirty:
            self._waiting.append(key)
            self._arrival.set()
