"""Log files that their writers hold open for longer than we live.

A child has its file open for appending. Rotation copies the file and cuts it to nothing, so that the child goes on writing
at its new end without knowing; what is written between the last look and the cut (microseconds) is lost.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Rotation:
    """Rotate a file beyond `maximum` bytes, keep `keep` older ones: NAME.log.1 is the youngest."""

    maximum: int = 16 << 20
    keep: int = 3

    def rotate(self, log: Path) -> bool:
        """Rotate if it is due, and say whether it was; blocking, for a worker thread."""
        try:
            if log.stat().st_size <= self.maximum:
                return False
        except FileNotFoundError:
            return False
        for number in range(self.keep - 1, 0, -1):
            older = _numbered(log, number)
            if older.exists():
                older.replace(_numbered(log, number + 1))
        _copy_and_truncate(log, _numbered(log, 1))
        return True


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


def _copy_and_truncate(log: Path, target: Path) -> None:
    source = os.open(log, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            _copy(source, target)
        except OSError as error:
            target.unlink(missing_ok=True)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # On a full disk the old output is given up: kept where it is, it would only keep the disk full.
        os.ftruncate(source, 0)
    finally:
        os.close(source)


def _copy(source: int, target: Path) -> None:
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as copy:
        while chunk := os.read(source, _CHUNK):
            copy.write(chunk)


def tail(log: Path, lines: int = 10, *, limit: int = 64 << 10) -> list[str]:
    """The last lines of a log, looking at no more than its last `limit` bytes; none when there is no file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - limit))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
