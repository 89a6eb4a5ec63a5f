"""Byte ranges: of downloads by RFC 9110 section 14, of upload chunks by the distribution specification's own form."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)
_CONTENT_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)


class Unsatisfiable(ValueError):
    """The range lies outside of the content, or is none: 416."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.end - self.start


def requested_span(header: str | None, size: int) -> Span | None:
    """The part of `size` bytes that a Range header asks for, or None for all of them. Raises Unsatisfiable.

    Several ranges, and units other than bytes, are answered with the whole, as RFC 9110 allows.
    """
    if header is None or not header.startswith("bytes=") or "," in header:
        return None
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        if int(last) == 0 or size == 0:
            raise Unsatisfiable(header)
        return Span(max(0, size - int(last)), size)
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if start >= size or end <= start:
        raise Unsatisfiable(header)
    return Span(start, end)


def chunk_span(header: str | None) -> Span | None:
    """The place of an upload's chunk, from its Content-Range: `<first>-<last>`, inclusive, without a unit. Raises Unsatisfiable."""
    if header is None:
        return None
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise Unsatisfiable(header)
    return Span(int(match[1]), int(match[2]) + 1)
