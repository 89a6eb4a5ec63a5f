"""A stream of bytes into lines, each with the offset behind it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MAX_LINE = 262_118
"""Bytes of one event's message: 256 KiB with the overhead of an event, as the awslogs driver splits."""
_SHORT_CHARACTER = 3
"""A UTF-8 character cut at a boundary leaves at most this many bytes to carry over."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; `end` is the stream's offset behind the newline, or behind the piece of a long line."""

    text: str
    end: int


class LineSplitter:
    """Splits what one stream says. A line longer than MAX_LINE comes in pieces; bytes that are no UTF-8 become U+FFFD.

    Empty lines are left out, as CloudWatch takes no empty message.
    """

    def __init__(self, offset: int = 0) -> None:
        self._offset = offset
        self._pending = b""

    @property
    def offset(self) -> int:
        """The offset behind everything that was returned as a line."""
        return self._offset

    @property
    def pending(self) -> int:
        """Bytes that are held back until their line ends."""
        return len(self._pending)

    def skip_to(self, offset: int) -> None:
        """Go on at `offset`: what lies between is lost, and the line it belonged to ends here."""
        self._offset, self._pending = offset, b""

    def feed(self, data: bytes) -> list[Line]:
        """The lines that `data` completes."""
        parts = (self._pending + data).split(b"\n")
        lines: list[Line] = []
        for part in parts[:-1]:
            self._emit(part, 1, lines)
        self._pending = parts[-1]
        while len(self._pending) > MAX_LINE:
            cut = _boundary(self._pending, MAX_LINE)
            piece, self._pending = self._pending[:cut], self._pending[cut:]
            self._emit(piece, 0, lines)
        return lines

    def finish(self) -> list[Line]:
        """The last line, which nothing ended."""
        lines: list[Line] = []
        self._emit(self._pending, 0, lines)
        self._pending = b""
        return lines

    def _emit(self, content: bytes, newline: int, lines: list[Line]) -> None:
        while len(content) > MAX_LINE:
            cut = _boundary(content, MAX_LINE)
            self._append(content[:cut], cut, lines)
            content = content[cut:]
        self._append(content, len(content) + newline, lines)

    def _append(self, content: bytes, consumed: int, lines: list[Line]) -> None:
        self._offset += consumed
        text = content.removesuffix(b"\r").decode(errors="replace")
        lines.extend(Line(piece, self._offset) for piece in _fitting(text))


def _boundary(content: bytes, limit: int) -> int:
    """The largest cut up to `limit` that splits no UTF-8 character."""
    for cut in range(limit, limit - _SHORT_CHARACTER - 1, -1):
        if content[cut] & 0xC0 != 0x80:
            return cut
    return limit


def _fitting(text: str) -> list[str]:
    """Pieces of at most MAX_LINE bytes in UTF-8: each bad byte grows to three when it is replaced."""
    if not text:
        return []
    if len(text.encode()) <= MAX_LINE:
        return [text]
    half = len(text) // 2
    return [*_fitting(text[:half]), *_fitting(text[half:])]
