from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.logs.batch import MAX_AGE_MS, MAX_AHEAD_MS, MAX_SPAN_MS, InvalidBatch, accept
from roadstead.core.logs.pattern import InvalidPattern, parse_pattern

NOW = 1_800_000_000_000


def test_a_batch_within_the_rules_is_kept_whole() -> None:
    verdict = accept([NOW - 5, NOW], 100, now_ms=NOW, retention_ms=None)
    assert (verdict.start, verdict.end) == (0, 2)
    assert verdict.too_old_end is verdict.expired_end is verdict.too_new_start is None


@pytest.mark.parametrize(
    ("timestamps", "size"),
    [([NOW, NOW - 1], 1), ([NOW - MAX_SPAN_MS - 1, NOW], 1), ([NOW], 1_048_577)],
)
def test_batches_refused_as_a_whole(timestamps: list[int], size: int) -> None:
    with pytest.raises(InvalidBatch):
        accept(timestamps, size, now_ms=NOW, retention_ms=None)


def test_events_outside_of_the_window_are_told_by_index() -> None:
    old = NOW - MAX_AGE_MS - 1
    assert accept([old, old + 2], 1, now_ms=NOW, retention_ms=None).too_old_end == 1
    ahead = NOW + MAX_AHEAD_MS + 1
    verdict = accept([NOW, ahead], 1, now_ms=NOW, retention_ms=None)
    assert (verdict.too_new_start, verdict.end) == (1, 1)
    assert accept([NOW - 2000, NOW], 1, now_ms=NOW, retention_ms=1000).expired_end == 1


@given(st.lists(st.integers(NOW - 2 * MAX_AGE_MS, NOW + 2 * MAX_AHEAD_MS), max_size=20))
def test_kept_events_lie_in_the_window(timestamps: list[int]) -> None:
    ordered = sorted(timestamps)
    try:
        verdict = accept(ordered, 1, now_ms=NOW, retention_ms=None)
    except InvalidBatch:
        return
    for moment in ordered[verdict.start : verdict.end]:
        assert NOW - MAX_AGE_MS <= moment <= NOW + MAX_AHEAD_MS
    assert verdict.end - verdict.start == sum(NOW - MAX_AGE_MS <= t <= NOW + MAX_AHEAD_MS for t in ordered)


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR disk", "disk: ERROR", True),
        ("ERROR disk", "ERROR", False),
        ("?ERROR ?WARN", "WARN", True),
        ("?ERROR ?WARN", "INFO", False),
        ("ERROR -timeout", "ERROR timeout", False),
        ('"disk full"', "disk is full", False),
        ('"disk full"', "the disk full", True),
        ('"say \\"hi\\""', 'say "hi"', True),
    ],
)
def test_patterns(pattern: str, message: str, expected: bool) -> None:
    assert parse_pattern(pattern).matches(message) is expected


@pytest.mark.parametrize("pattern", ['{ $.level = "ERROR" }', "[ip, user]", "%ERR.*%", '"open'])
def test_patterns_that_are_not_read_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        parse_pattern(pattern)
