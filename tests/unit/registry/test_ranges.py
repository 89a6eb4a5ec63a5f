from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.registry.ranges import Span, Unsatisfiable, chunk_span, requested_span

sizes = st.integers(0, 10_000)


@given(st.text(max_size=40), sizes)
def test_whatever_is_asked_for_lies_inside(header: str, size: int) -> None:
    try:
        span = requested_span(f"bytes={header}", size)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span.start < span.end <= size


@given(st.integers(0, 20_000), st.integers(0, 20_000), sizes)
def test_first_and_last_are_inclusive(first: int, last: int, size: int) -> None:
    header = f"bytes={first}-{last}"
    if first >= size or last < first:
        with pytest.raises(Unsatisfiable):
            requested_span(header, size)
    else:
        assert requested_span(header, size) == Span(first, min(last + 1, size))


@given(st.integers(1, 20_000), st.integers(1, 10_000))
def test_suffixes(length: int, size: int) -> None:
    span = requested_span(f"bytes=-{length}", size)
    assert span is not None
    assert (span.end, span.length) == (size, min(length, size))


@given(st.text(max_size=30))
def test_chunks_have_bytes_or_are_refused(header: str) -> None:
    try:
        span = chunk_span(header)
    except Unsatisfiable:
        return
    assert span is not None
    assert span.length > 0


def test_the_specifications_own_form() -> None:
    assert chunk_span("0-1023") == Span(0, 1024)
    assert chunk_span(None) is None
    for wrong in ("bytes 0-1023/*", "0-1023/2048", "5-4", "-5", "5-", "0x1-2", "\u0661-\u0662", "9" * 30 + "-1"):
        with pytest.raises(Unsatisfiable):
            chunk_span(wrong)
