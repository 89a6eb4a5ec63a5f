"""A checkpoint beside what the runtime has."""

from __future__ import annotations

import pytest

from roadstead.core.taskengine.resume import START_BROKEN_OFF, Seen, Verdict, compare, never_began
from roadstead.core.taskengine.states import ContainerState

S = ContainerState


@pytest.mark.parametrize(
    ("state", "seen", "exit_code", "verdict"),
    [
        (S.NONE, Seen.ABSENT, None, Verdict.AS_RECORDED),
        (S.PULLED, Seen.ABSENT, None, Verdict.AS_RECORDED),
        (S.PULLED, Seen.CREATED, None, Verdict.HALF_MADE),
        (S.PULLED, Seen.LOST, None, Verdict.HALF_MADE),
        (S.PULLED, Seen.RUNNING, None, Verdict.HALF_MADE),
        (S.CREATED, Seen.ABSENT, None, Verdict.UNMADE),
        (S.CREATED, Seen.CREATED, None, Verdict.AS_RECORDED),
        (S.CREATED, Seen.RUNNING, None, Verdict.STARTED),
        (S.CREATED, Seen.EXITED, 0, Verdict.STARTED),
        (S.CREATED, Seen.EXITED, 255, Verdict.STARTED),
        (S.CREATED, Seen.EXITED, START_BROKEN_OFF, Verdict.HALF_MADE),
        (S.CREATED, Seen.LOST, None, Verdict.HALF_MADE),
        (S.RUNNING, Seen.ABSENT, None, Verdict.VANISHED),
        (S.RUNNING, Seen.LOST, None, Verdict.AS_RECORDED),
        (S.RUNNING, Seen.EXITED, START_BROKEN_OFF, Verdict.AS_RECORDED),
        (S.STOPPED, Seen.ABSENT, None, Verdict.AS_RECORDED),
        (S.STOPPED, Seen.EXITED, 1, Verdict.AS_RECORDED),
    ],
)
def test_a_container(state: ContainerState, seen: Seen, exit_code: int | None, verdict: Verdict):
    assert compare(state, seen, exit_code) is verdict


def test_an_end_of_what_never_ran():
    assert never_began(S.CREATED, 255, lost=True)
    assert never_began(S.CREATED, START_BROKEN_OFF, lost=False)


def test_an_end_of_what_ran():
    assert not never_began(S.CREATED, 0, lost=False)
    assert not never_began(S.RUNNING, 255, lost=True)
    assert not never_began(S.RUNNING, START_BROKEN_OFF, lost=False)
