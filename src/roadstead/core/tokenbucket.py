"""Rates with bursts (token bucket): who may do something now, and how long others wait. Pure: the clock is the caller's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second on average, `burst` at once."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is left at a moment (seconds)."""

    left: float
    at: float


def take(bucket: Bucket | None, rate: Rate, now: float) -> tuple[Bucket, float]:
    """The bucket after one was taken, and 0; or as it is now, and the seconds until there is one. A new one is full."""
    since = 0.0 if bucket is None else max(0.0, now - bucket.at)
    left = rate.burst if bucket is None else min(rate.burst, bucket.left + since * rate.per_second)
    if left >= 1:
        return Bucket(left - 1, now), 0.0
    return Bucket(left, now), (1 - left) / rate.per_second
