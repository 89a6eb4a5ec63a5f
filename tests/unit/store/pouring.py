"""Content that is poured into a blob store, as a server pours large bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable


class Poured:
    """Content that a thread passes on, in pieces that are gone afterwards; then what ends it too early, if anything does."""

    def __init__(self, data: bytes, piece: int = 100_000, end: Exception | None = None) -> None:
        self._data = data
        self._piece = piece
        self._end = end

    async def pour(self, sink: Callable[[memoryview], None]) -> None:
        def work() -> None:
            buffer = bytearray(self._piece)
            for start in range(0, len(self._data), self._piece):
                part = self._data[start : start + self._piece]
                buffer[: len(part)] = part
                sink(memoryview(buffer)[: len(part)])
            if self._end is not None:
                raise self._end

        await asyncio.to_thread(work)

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("a directory has it poured")
