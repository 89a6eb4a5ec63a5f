"""A clock whose hands the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class HandClock:
    """Wall and monotonic time move apart, as after a jump, or together."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 11, 23, tzinfo=UTC)
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
