"""How often a wrong MFA code may be shown: six digits alone would be guessed within the hour."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from contextlib import suppress

from roadstead.kernel.clock import Clock

ALLOWED = 5
WINDOW_SECONDS = 300.0
_REMEMBERED = 10_000


class Attempts:
    """The wrong codes of each device within the last minutes, as this server saw them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def exhausted(self, device: Hashable) -> bool:
        """Whether no code of the device counts for now, be it right or wrong."""
        return len(self._recent(device)) >= ALLOWED

    def failed(self, device: Hashable) -> float:
        """Note a wrong code; returns the time of it, for `held`."""
        now = self._clock.monotonic()
        self._recent(device).append(now)
        self._failed.move_to_end(device)
        if len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)
        return now

    def held(self, device: Hashable, noted: float) -> None:
        """The code that was noted as wrong then is right."""
        with suppress(ValueError):  # so long ago that it is forgotten
            self._recent(device).remove(noted)

    def _recent(self, device: Hashable) -> deque[float]:
        found = self._failed.setdefault(device, deque())
        while found and self._clock.monotonic() - found[0] >= WINDOW_SECONDS:
            found.popleft()
        return found
