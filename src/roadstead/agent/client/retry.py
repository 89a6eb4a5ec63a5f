"""When a call is tried again, and after how long (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

RETRYABLE_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_NOT_IMPLEMENTED = 501


def is_retryable(code: str, status: int) -> bool:
    """Whether the same request may succeed later."""
    return code in RETRYABLE_CODES or status == 429 or (status >= 500 and status != _NOT_IMPLEMENTED)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow from `first` to `limit` seconds by `factor`; `jitter` is the part of each that chance decides."""

    first: float
    limit: float
    factor: float = 2.0
    jitter: float = 1.0

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Seconds to wait after failed attempt number `attempt`, counted from zero."""
        exponent = min(attempt, 64)
        full = min(self.limit, self.first * self.factor**exponent)
        return full * (1 - self.jitter * chance())


CALLS = Backoff(first=0.1, limit=20.0)
"""For calls of the API."""

UNCONNECTED = 0.5
"""Seconds that a call waits at most when no server took the connection: asking costs nothing, and the server comes back in a second or two."""

FAILING_SECONDS = 120.0
"""How long a task that starts bears a server that is there and fails, as one does whose upstream is away; one that is away is waited for."""

LINKS = Backoff(first=0.25, limit=120.0, factor=1.5, jitter=0.2)
"""For the websockets, with the figures of Amazon's agent."""


class Patience:
    """Failures in a row, for which it lasts `limit` seconds; what fails so much later than the one before begins a new row."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._first = self._last = float("-inf")

    def is_over(self, now: float) -> bool:
        """Count a failure at `now`; whether the row is as long as it may be."""
        if now - self._last > self._limit:
            self._first = now
        self._last = now
        return now - self._first >= self._limit

    def renew(self) -> None:
        """Whatever failed before doesn't count."""
        self._last = float("-inf")
