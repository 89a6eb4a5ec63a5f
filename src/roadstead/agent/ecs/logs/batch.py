"""Log events into batches that one PutLogEvents call takes (CloudWatch Logs API reference, PutLogEvents). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576
EVENT_OVERHEAD = 26
"""Bytes that each event counts beside its message in UTF-8."""
MAX_SPAN_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event: milliseconds since 1970, and a message that is not empty."""

    timestamp: int
    message: str

    @property
    def size(self) -> int:
        """What the event counts towards a batch's bytes."""
        return len(self.message.encode()) + EVENT_OVERHEAD


def batches(events: Iterable[LogEvent]) -> Iterator[tuple[LogEvent, ...]]:
    """Batches within all four limits, each in order of time; events of one time keep their order.

    Events should come roughly in order. An event larger than a whole batch is an error of whoever split the lines.
    """
    batch: list[LogEvent] = []
    size = first = last = 0
    for event in events:
        if event.size > MAX_BYTES:
            raise ValueError(f"an event of {event.size} bytes fits no batch")
        earliest = min(first, event.timestamp) if batch else event.timestamp
        latest = max(last, event.timestamp) if batch else event.timestamp
        full = len(batch) == MAX_EVENTS or size + event.size > MAX_BYTES or latest - earliest >= MAX_SPAN_MS
        if batch and full:
            yield _ordered(batch)
            batch, size, earliest, latest = [], 0, event.timestamp, event.timestamp
        batch.append(event)
        size += event.size
        first, last = earliest, latest
    if batch:
        yield _ordered(batch)


def _ordered(batch: list[LogEvent]) -> tuple[LogEvent, ...]:
    return tuple(sorted(batch, key=lambda event: event.timestamp))
