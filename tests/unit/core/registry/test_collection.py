from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.registry.collection import (
    Released,
    collectable,
    counts_after,
    horizon,
    needs_refresh,
    refresh_after,
)

GRACE = timedelta(hours=4)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


@pytest.mark.parametrize(
    ("released", "oldest", "goes"),
    [
        (-5.1, None, True),
        (-4.9, None, False),
        (-5.1, -1, False),
        (-6.1, -1, True),
        (-9.0, -8, False),
        (1.0, None, False),
        (-5.1, 1, True),
    ],
)
def test_what_goes(released: float, oldest: float | None, goes: bool):
    began = None if oldest is None else hours(oldest)
    assert collectable([Released("x", hours(released))], began, NOW, GRACE) == (["x"] if goes else [])


def test_an_upload_counts_for_as_long_after_its_end_as_its_blobs_are_kept():
    assert counts_after(NOW, GRACE) == hours(-4)


moments = st.floats(-100, 0).map(hours)


@given(told=moments, refreshed=st.floats(0, 1), began=moments, length=st.none() | st.floats(0, 50))
def test_whoever_was_told_keeps_it_while_they_push(
    told: datetime, refreshed: float, began: datetime, length: float | None
):
    """The note may be older than the telling, by as much as is not written anew."""
    note = told - refresh_after(GRACE) * refreshed
    ended = None if length is None else began + timedelta(hours=length)
    counts = ended is None or ended > counts_after(NOW, GRACE)
    soon = NOW - told <= GRACE
    pushing = timedelta() <= began - told <= GRACE and counts
    if soon or pushing:
        assert collectable([Released("x", note)], began if counts else None, NOW, GRACE) == []


@given(moments, moments)
def test_an_older_upload_never_lets_more_go(one: datetime, other: datetime):
    assert horizon(NOW, min(one, other), GRACE) <= horizon(NOW, max(one, other), GRACE) <= horizon(NOW, None, GRACE)


@pytest.mark.parametrize(("at", "writes"), [(None, False), (-0.9, False), (-1.1, True), (5.0, False)])
def test_notes_are_renewed_now_and_then(at: float | None, writes: bool):
    assert needs_refresh(None if at is None else hours(at), NOW, GRACE) is writes


def test_without_grace_everything_goes_that_nobody_uploads():
    assert collectable([Released("x", hours(-0.001))], None, NOW, timedelta()) == ["x"]
