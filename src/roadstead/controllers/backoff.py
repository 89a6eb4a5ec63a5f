"""How long to wait after a failure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 0.1
MOST = 30.0


@dataclass(slots=True)
class Backoff:
    """Delays in seconds that double up to a limit, until something succeeds."""

    first: float = FIRST
    most: float = MOST
    failures: int = 0

    def failed(self) -> float:
        """Count a failure; returns how long to wait."""
        delay = min(self.most, self.first * 2 ** min(self.failures, 30))
        self.failures += 1
        return delay

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0
