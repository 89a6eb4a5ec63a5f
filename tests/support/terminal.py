"""A command on a terminal: what it draws where a person looks on."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from select import select

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Drawn:
    """How the command ended, and all that it wrote to its terminal, in order."""

    status: int
    raw: str

    @property
    def text(self) -> str:
        """What was written, every drawing of a line, as plain text."""
        return plain(self.raw)


def plain(drawn: str) -> str:
    """What was drawn without colours and movements of the cursor; what is drawn over a line is a line of its own."""
    return _CONTROL.sub("", drawn).replace("\r\n", "\n").replace("\r", "\n")


def on_terminal(
    command: Sequence[str], environment: Mapping[str, str], *, columns: int = 140, seconds: float = 60.0
) -> Drawn:
    """Run a command whose input and outputs are a pseudo-terminal; fails when it has not ended within some seconds."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        settings = {**environment, "TERM": "xterm-256color"}
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=settings, start_new_session=True
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    try:
        written = _written(ours, time.monotonic() + seconds)
        return Drawn(process.wait(10), written)
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def _written(terminal: int, deadline: float) -> str:
    """Everything until the other side is closed (EIO on Linux)."""
    found = bytearray()
    while True:
        ready, _, _ = select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"it has not ended: {found.decode(errors='replace')}")
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            return found.decode()
        if not piece:
            return found.decode()
        found += piece
