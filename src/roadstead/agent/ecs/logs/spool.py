"""The files that shims append a container's output to: reading behind them, freeing what was shipped, bounding the rest.

A shim opens a file once, with O_APPEND, and never again; so the file is neither renamed nor truncated. What is done with is
given back to the file system by punching holes (fallocate(2)); offsets only grow. Where a hole reaches beyond what was read, output
was dropped: the bound held.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from roadstead.agent.ecs.logs.bound import punch

STREAMS = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class SpoolPaths:
    """Where one container's output lies."""

    directory: Path

    @property
    def stdout(self) -> Path:
        """Standard output."""
        return self.directory / "stdout"

    @property
    def stderr(self) -> Path:
        """Standard error."""
        return self.directory / "stderr"

    @property
    def checkpoint(self) -> Path:
        """How far each stream was shipped."""
        return self.directory / "shipped.json"


def load_checkpoint(path: Path) -> dict[str, int]:
    """Offsets by stream; zeros where nothing was shipped yet."""
    try:
        document: object = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        document = None
    known = cast("Mapping[str, object]", document) if isinstance(document, Mapping) else dict[str, object]()
    return {name: value if isinstance(value := known.get(name), int) else 0 for name in STREAMS}


def save_checkpoint(path: Path, offsets: Mapping[str, int]) -> None:
    """Replace the checkpoint as a whole. It need not survive a power cut: the output would not either."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(dict(offsets)))
    new.replace(path)


class SpoolFile:
    """One stream's file, read from an offset on."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self.dropped = 0
        """Bytes that were freed before they were read."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def read(self, size: int) -> tuple[bytes, int]:
        """Up to `size` bytes and the time of the last write in ms since 1970; no bytes at the end. Moves `offset`."""
        status = os.fstat(self._descriptor)
        start = data_start(self._descriptor, self.offset, status.st_size)
        self.dropped += start - self.offset
        self.offset = start
        data = os.pread(self._descriptor, size, self.offset)
        self.offset += len(data)
        return data, status.st_mtime_ns // 1_000_000

    def free(self, offset: int) -> None:
        """Give back everything before `offset`, as far as whole blocks go. Raises OSError."""
        punch(self._descriptor, offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def data_start(descriptor: int, offset: int, size: int) -> int:
    """The first offset from `offset` on that holds data; `size` where only a hole is left."""
    if offset >= size:
        return offset
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        raise
