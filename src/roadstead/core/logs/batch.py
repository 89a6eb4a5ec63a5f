"""The rules of a PutLogEvents batch.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_BATCH_BYTES = 1_048_576
EVENT_OVERHEAD_BYTES = 26
MAX_SPAN_MS = 24 * 3600 * 1000
MAX_AGE_MS = 14 * 24 * 3600 * 1000
MAX_AHEAD_MS = 2 * 3600 * 1000


class InvalidBatch(ValueError):
    """The batch as a whole is refused; the text is AWS's."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The slice `[start:end]` of the batch to keep, and the indexes that tell the caller why others were not.

    `too_old_end` and `expired_end` are one past the last event that is too old or past the group's retention; `too_new_start` is the first
    one that lies too far ahead. None where there is no such event.
    """

    start: int
    end: int
    too_old_end: int | None = None
    expired_end: int | None = None
    too_new_start: int | None = None


def event_bytes(message: str) -> int:
    """What an event counts as: its UTF-8 bytes and 26."""
    return len(message.encode()) + EVENT_OVERHEAD_BYTES


def batch_bytes(messages: Sequence[str]) -> int:
    """What a batch counts as."""
    return sum(event_bytes(message) for message in messages)


def accept(timestamps: Sequence[int], size: int, *, now_ms: int, retention_ms: int | None) -> Accepted:
    """Decide over a batch: `timestamps` in milliseconds as sent, `size` by `batch_bytes`. Raises InvalidBatch."""
    if size > MAX_BATCH_BYTES:
        raise InvalidBatch(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}")
    if any(later < earlier for earlier, later in pairwise(timestamps)):
        raise InvalidBatch("Log events in a single PutLogEvents request must be in chronological order.")
    if timestamps and timestamps[-1] - timestamps[0] > MAX_SPAN_MS:
        raise InvalidBatch("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    too_old = sum(1 for t in timestamps if t < now_ms - MAX_AGE_MS)
    expired = sum(1 for t in timestamps if retention_ms is not None and t < now_ms - retention_ms)
    too_new = sum(1 for t in timestamps if t > now_ms + MAX_AHEAD_MS)
    start, end = max(too_old, expired), len(timestamps) - too_new
    return Accepted(
        start=start,
        end=max(start, end),
        too_old_end=too_old or None,
        expired_end=expired or None,
        too_new_start=end if too_new else None,
    )
