"""The thread that writes events: a full, slow or broken disk holds up no request."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

import structlog

from roadstead.audit.segments import SegmentFiles

SYNC_SECONDS = 1.0
"""What a loss of power may take of what was written."""
RETRY_SECONDS = 1.0
_log = structlog.get_logger("audit")


class Writer:
    """Writes batches of whole lines in their order; a batch that can't be written is kept and tried again.

    `handed` and `settled` count bytes; their difference is what is still in memory.
    """

    def __init__(self, files: SegmentFiles) -> None:
        self._files = files
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._waiting: deque[bytes] = deque()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self.handed = 0
        self.settled = 0
        self.failures = 0
        """How often a write or a sync failed."""
        self.failing = False
        """Whether the last attempt failed."""

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def pending(self) -> int:
        """Bytes that were handed over and are not written."""
        return self.handed - self.settled

    def write(self, lines: bytes) -> None:
        """Hand over a batch; returns at once."""
        self.handed += len(lines)
        self._queue.put(lines)

    def end(self, seconds: float) -> bool:
        """Write and sync what is left; whether that was done in time."""
        self._queue.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive() and not self.pending

    def _run(self) -> None:
        synced = time.monotonic()
        ending = False
        while not ending:
            ending = not self._take(self._pause(synced))
            self._attempt(self._append_waiting)
            if ending or time.monotonic() - synced >= SYNC_SECONDS:
                self._attempt(self._files.sync)
                synced = time.monotonic()
        self._files.close()

    def _pause(self, synced: float) -> float | None:
        """How long to wait for the next batch; None for as long as it takes."""
        if self._waiting:
            return RETRY_SECONDS
        if not self._files.is_synced:
            return max(0.0, synced + SYNC_SECONDS - time.monotonic())
        return None

    def _take(self, timeout: float | None) -> bool:
        """Collect what was handed over; False when that was the end."""
        try:
            batch = self._queue.get(timeout=timeout)
            while batch is not None:
                self._waiting.append(batch)
                batch = self._queue.get_nowait()
        except Empty:
            return True
        return False

    def _append_waiting(self) -> None:
        while self._waiting:
            self._files.append(self._waiting[0])
            self.settled += len(self._waiting.popleft())

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self.failures += 1
            if not self.failing:
                _log.error("audit events can't be written", error=str(error), waiting_bytes=self.pending)
            self.failing = True
        else:
            if self.failing and not self._waiting:
                _log.warning("audit events can be written again")
                self.failing = False
