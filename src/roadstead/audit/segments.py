"""The files of a trail: `events.000001.jsonl` and on, one JSON event a line, the highest number the one that is written.

Only whole lines count. What a crash or a full disk left of a line is cut off before anything is written behind it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"events\.(\d{6,18})\.jsonl", re.ASCII)
_BLOCK = 64 * 1024
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a trail."""

    number: int
    path: Path


def segments(folder: Path) -> list[Segment]:
    """The files of a trail, oldest first; none where there is no folder."""
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return []
    found = [Segment(int(match[1]), path) for path in paths if (match := _NAME.fullmatch(path.name))]
    return sorted(found, key=lambda each: each.number)


def last_line(path: Path) -> bytes:
    """The last whole line of a file, without its end; empty when there is none."""
    with path.open("rb") as file:
        end = _whole(file.fileno())
        size = 0
        while size < end:
            size = min(end, size + _BLOCK)
            tail = os.pread(file.fileno(), size, end - size)
            start = tail.rfind(b"\n", 0, size - 1)
            if start >= 0 or size == end:
                return tail[start + 1 : size - 1]
    return b""


class SegmentFiles:
    """Appends to the newest file, begins another when that is full, and removes the oldest beyond the bound. Not for several threads.

    `segment_bytes` is where a file ends, `kept_bytes` what all of them may take together, the newest always kept.
    """

    def __init__(self, folder: Path, *, segment_bytes: int, kept_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._kept_bytes = kept_bytes
        self._fd: int | None = None
        self._number = 0
        self._size = 0
        self._torn = False
        self._unsynced = False
        self.cut = 0
        """Bytes of broken lines that were cut off."""

    @property
    def is_synced(self) -> bool:
        """Whether all that was appended is durable."""
        return not self._unsynced

    def append(self, lines: bytes) -> None:
        """Write whole lines, all or none of them; raises OSError."""
        fd = self._open()
        if self._size and self._size + len(lines) > self._segment_bytes:
            self.sync()
            fd = self._begin(self._number + 1)
        self._torn = self._unsynced = True
        _write(fd, lines)
        self._size += len(lines)
        self._torn = False

    def sync(self) -> None:
        """Make durable what was appended; raises OSError."""
        if self._fd is not None and self._unsynced:
            os.fdatasync(self._fd)
            self._unsynced = False

    def close(self) -> None:
        """Close the file; what is not synced stays so."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        """The newest file, whole; made anew when somebody removed or renamed it."""
        if self._fd is None or not self._is_in_place(self._fd):
            known = segments(self._folder)
            return self._begin(max(self._number, known[-1].number if known else 1))
        if self._torn:  # of the last batch nothing counts, because it will be written again
            self._cut(self._fd, self._size)
        return self._fd

    def _is_in_place(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._path(self._number).lstat())
        except FileNotFoundError:
            return False

    def _path(self, number: int) -> Path:
        return self._folder / f"events.{number:06d}.jsonl"

    def _begin(self, number: int) -> int:
        self.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path(number), _FLAGS, 0o600)
        self._fd, self._number = fd, number
        self._size, self._torn = _whole(fd), True
        self._cut(fd, self._size)
        _sync_folder(self._folder)
        self._prune()
        return fd

    def _cut(self, fd: int, size: int) -> None:
        """Cut off what stands behind `size`."""
        excess = os.fstat(fd).st_size - size
        if excess > 0:
            os.ftruncate(fd, size)
            self.cut += excess
            self._unsynced = True
        self._torn = False

    def _prune(self) -> None:
        total = self._segment_bytes  # what the new one may grow to
        for each in reversed(segments(self._folder)):
            if each.number == self._number:
                continue
            total += each.path.stat().st_size
            if total > self._kept_bytes:
                each.path.unlink()


def _whole(fd: int) -> int:
    """How many bytes of a file are whole lines."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
