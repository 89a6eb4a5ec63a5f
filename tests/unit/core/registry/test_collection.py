from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.registry.collection import Released, Session, collectable, horizon, needs_refresh, refresh_after

GRACE = timedelta(hours=4)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


@pytest.mark.parametrize(
    ("released", "sessions", "goes"),
    [
        (-5.1, [], True),
        (-4.9, [], False),
        (-5.1, [Session(hours(-1))], False),
        (-6.1, [Session(hours(-1))], True),
        (-5.1, [Session(hours(-1), hours(-0.5))], False),
        (-9.0, [Session(hours(-8), hours(-3.9))], False),
        (-9.0, [Session(hours(-8), hours(-4.1))], True),
        (1.0, [], False),
    ],
)
def test_what_goes(released: float, sessions: list[Session], goes: bool):
    assert collectable([Released("x", hours(released))], sessions, NOW, GRACE) == (["x"] if goes else [])


moments = st.floats(-100, 0).map(hours)


@given(told=moments, refreshed=st.floats(0, 1), began=moments, length=st.none() | st.floats(0, 50))
def test_whoever_was_told_keeps_it_while_they_push(
    told: datetime, refreshed: float, began: datetime, length: float | None
):
    """The note may be older than the telling, by as much as is not written anew."""
    note = told - refresh_after(GRACE) * refreshed
    ended = None if length is None else began + timedelta(hours=length)
    soon = NOW - told <= GRACE
    pushing = timedelta() <= began - told <= GRACE and (ended is None or NOW - ended < GRACE)
    if soon or pushing:
        assert collectable([Released("x", note)], [Session(began, ended)], NOW, GRACE) == []


@given(st.lists(st.builds(Session, moments, st.none() | moments)), moments)
def test_more_uploads_never_let_more_go(sessions: list[Session], began: datetime):
    assert horizon(NOW, [*sessions, Session(began)], GRACE) <= horizon(NOW, sessions, GRACE)


@pytest.mark.parametrize(("at", "writes"), [(None, False), (-0.9, False), (-1.1, True), (5.0, False)])
def test_notes_are_renewed_now_and_then(at: float | None, writes: bool):
    assert needs_refresh(None if at is None else hours(at), NOW, GRACE) is writes


def test_without_grace_everything_goes_that_nobody_uploads():
    assert collectable([Released("x", hours(-0.001))], [], NOW, timedelta()) == ["x"]
