"""How often a wrong MFA code may be shown: six digits alone would be guessed within the hour."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable

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

    def failed(self, device: Hashable) -> None:
        """Note a wrong code."""
        self._recent(device).append(self._clock.monotonic())
        self._failed.move_to_end(device)
        if len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)

    def _recent(self, device: Hashable) -> deque[float]:
        found = self._failed.setdefault(device, deque())
        while found and self._clock.monotonic() - found[0] >= WINDOW_SECONDS:
            found.popleft()
        return found
