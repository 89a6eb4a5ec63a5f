"""Content at the end of a file, hashed: gathered from pieces that the event loop has, or poured by a thread."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from roadstead.store.blobs import files
from roadstead.store.blobs.writeback import begin_writeback

if TYPE_CHECKING:
    from hashlib import _Hash  # pyright: ignore[reportPrivateUsage] - its type has no public name


class AppendWriter:
    """Gathers small pieces, while the chunk before them is written in one thread and hashed in another."""

    def __init__(self, threads: ThreadPoolExecutor, path: Path, end: int, running: _Hash | None) -> None:
        self.end = end
        """Where the file ends."""
        self.running = running
        """The hash of the file up to `end`; None when it is not known, as after a chunk that could not be written."""
        self._threads = threads
        self._path = path
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._writing: asyncio.Future[int] | None = None
        self._hashing: asyncio.Future[None] | None = None

    async def add(self, piece: bytes) -> None:
        """Take a piece; raises what the write of an earlier chunk raised."""
        self._pieces.append(piece)
        self._gathered += len(piece)
        if self._gathered >= files.CHUNK:
            await self._begin_chunk()

    async def finish(self) -> None:
        """Write what is gathered and wait for it."""
        if self._gathered:
            await self._begin_chunk()
        await self._end_chunk()

    async def _begin_chunk(self) -> None:
        await self._end_chunk()
        pieces, self._pieces, self._gathered = self._pieces, [], 0
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._threads, files.append_chunks, self._path, self.end, pieces)
        if self.running is not None:
            self._hashing = loop.run_in_executor(self._threads, files.hash_chunks, self.running, pieces)

    async def _end_chunk(self) -> None:
        writing, hashing = self._writing, self._hashing
        if writing is None:
            return
        under_way = [writing] if hashing is None else [writing, hashing]
        running, self.running = self.running, None
        # Threads can't be cancelled, so a cancelled append waits for them: else file and hash would part from `end`.
        try:
            await asyncio.shield(asyncio.wait(under_way))
        except asyncio.CancelledError:
            await asyncio.wait(under_way)
            raise
        finally:
            if writing.done() and writing.exception() is None:
                self.end = writing.result()
                self._writing = self._hashing = None
                if hashing is not None and hashing.done() and hashing.exception() is None:
                    self.running = running
        writing.result()
        if hashing is not None:
            hashing.result()


class PouredWriter:
    """Writes and hashes each piece in the thread that brings it. Close it."""

    def __init__(self, path: Path, end: int, running: _Hash | None) -> None:
        self.end = end
        """Where the file ends."""
        self.running = running
        """The hash of the file up to `end`; None when it is not known, as after a piece that could not be written."""
        self._descriptor = os.open(path, os.O_WRONLY)
        self._told = end

    def take(self, piece: memoryview) -> None:
        """Add a piece; raises StorageFull, OSError, and then the file is as it was."""
        running, self.running = self.running, None
        self.end = files.append_at(self._descriptor, self.end, [piece])
        if running is not None:
            running.update(piece)
            self.running = running
        if self.end - self._told >= files.CHUNK:
            begin_writeback(self._descriptor, self._told, self.end - self._told)
            self._told = self.end

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
