"""The bound on container output, held also while no agent runs: a process of its own, made of the standard library alone.

Run as a script, `bound.py DIRECTORY BYTES` looks at DIRECTORY/*/std{out,err} for ever and frees the oldest output of every
file that holds more than BYTES, or than DIRECTORY/*/bound says. It has no state, so it may be killed and started at any time;
two of them do no harm.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

DEFAULT_BOUND = 64 << 20
"""Bytes that one stream of a container may hold on disk."""

BLOCK = 4096
_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02
_STREAMS = ("stdout", "stderr")
_BOUND = "bound"
_LONG_PAUSE = 1.0
_SHORT_PAUSE = 0.05


def guard_argv(directory: Path, bound: int = DEFAULT_BOUND) -> tuple[str, ...]:
    """The command line of the guard, without site packages so that it stays small."""
    return (sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(directory), str(bound))


def punch(descriptor: int, end: int) -> None:
    """Free the whole blocks before offset `end`; the file's size stays (fallocate(2)). Raises OSError."""
    length = end // BLOCK * BLOCK
    if length <= 0:
        return
    library = ctypes.CDLL(None, use_errno=True)
    offset, count = ctypes.c_int64(0), ctypes.c_int64(length)
    if library.fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, offset, count) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def enforce_bound(path: Path, bound: int) -> int:
    """Free the oldest output where a file holds more than `bound` bytes; the bytes it held. A file that is gone holds 0."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        status = os.fstat(descriptor)
        held = status.st_blocks * 512
        if held > bound:
            punch(descriptor, status.st_size - bound)
        return held
    finally:
        os.close(descriptor)


def save_bound(container: Path, bound: int) -> None:
    """Give one container a bound of its own. Raises OSError."""
    new = container / f"{_BOUND}.new"
    new.write_text(str(bound))
    new.replace(container / _BOUND)


def load_bound(container: Path, bound: int) -> int:
    """The container's own bound, or `bound`."""
    with suppress(FileNotFoundError, ValueError):
        return int((container / _BOUND).read_bytes())
    return bound


def enforce_all(directory: Path, bound: int) -> float:
    """Enforce the bound on every container's streams below `directory`; how full the fullest of them was, 1 being its bound."""
    fullest = 0.0
    with suppress(FileNotFoundError):
        for container in directory.iterdir():
            own = load_bound(container, bound)
            for stream in _STREAMS:
                fullest = max(fullest, enforce_bound(container / stream, own) / own)
    return fullest


def pause(fullest: float) -> float:
    """Seconds until the next look: short while some file is near its bound."""
    return _SHORT_PAUSE if fullest > 0.5 else _LONG_PAUSE


def main() -> None:
    """Guard for ever."""
    directory, bound = Path(sys.argv[1]), int(sys.argv[2])
    while True:
        time.sleep(pause(enforce_all(directory, bound)))


if __name__ == "__main__":
    main()
