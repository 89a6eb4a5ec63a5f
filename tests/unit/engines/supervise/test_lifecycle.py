"""Every walk through the table keeps what the runner and the operator rely on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.engines.supervise.lifecycle import (
    ALIVE,
    CHECKED,
    ENDED,
    TRANSITIONS,
    Action,
    Event,
    ImpossibleEvent,
    RestartPolicy,
    State,
    step,
)


def legal(state: State) -> list[Event]:
    return [event for before, event in TRANSITIONS if before is state]


@st.composite
def walks(draw: st.DrawFn) -> list[tuple[State, Event, State, tuple[Action, ...]]]:
    """Any sequence of events that can happen, beginning with a new process."""
    state = State.IDLE
    taken: list[tuple[State, Event, State, tuple[Action, ...]]] = []
    for _ in range(draw(st.integers(0, 30))):
        event = draw(st.sampled_from(legal(state)))
        done = step(state, event)
        taken.append((state, event, done.state, done.actions))
        state = done.state
    return taken


@given(walks())
def test_at_most_one_process_at_a_time(walk: list[tuple[State, Event, State, tuple[Action, ...]]]) -> None:
    running = False
    for before, event, after, actions in walk:
        assert running == (before in ALIVE)
        if event in (Event.EXITED, Event.GAVE_UP):
            running = False
        if event is Event.ADOPT or Action.SPAWN in actions:
            assert not running
            running = True
        if Action.SIGNAL in actions or Action.KILL in actions:
            assert running
        assert running == (after in ALIVE)


@given(walks())
def test_only_a_start_leaves_an_end_and_stop_wins_everywhere(
    walk: list[tuple[State, Event, State, tuple[Action, ...]]],
) -> None:
    for before, event, after, _ in walk:
        if before in ENDED and after not in ENDED:
            assert event is Event.START
        if event is Event.STOP:
            assert after in (State.STOPPING, State.STOPPED)
        if before is State.STOPPING:
            assert after in (State.STOPPING, State.STOPPED)


@given(walks())
def test_the_polite_signal_comes_once_and_before_the_kill(
    walk: list[tuple[State, Event, State, tuple[Action, ...]]],
) -> None:
    signalled = False
    for _, event, _, actions in walk:
        if Action.SPAWN in actions or event is Event.ADOPT:
            signalled = False
        if Action.SIGNAL in actions:
            assert not signalled
            signalled = True
        if Action.KILL in actions:
            assert signalled


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_be_stopped(state: State) -> None:
    assert (state, Event.STOP) in TRANSITIONS


@pytest.mark.parametrize("state", sorted(ALIVE))
def test_every_living_state_knows_both_ways_to_exit(state: State) -> None:
    assert {Event.EXITED, Event.GAVE_UP} <= set(legal(state))


def test_a_process_is_checked_only_while_it_runs() -> None:
    assert CHECKED < ALIVE


def test_an_impossible_event_is_an_error() -> None:
    with pytest.raises(ImpossibleEvent, match="exited in state idle"):
        step(State.IDLE, Event.EXITED)


@given(st.integers(1, 10_000))
def test_pauses_grow_to_the_maximum(failures: int) -> None:
    policy = RestartPolicy(initial=0.5, factor=3, maximum=20)
    assert policy.pause(1) == 0.5
    assert policy.pause(failures) <= policy.pause(failures + 1) <= 20


@pytest.mark.parametrize(
    ("policy", "failures", "was_ready", "late", "event"),
    [
        (RestartPolicy(attempts=3), 2, False, False, Event.EXITED),
        (RestartPolicy(attempts=3), 3, False, False, Event.GAVE_UP),
        (RestartPolicy(attempts=3), 1, False, True, Event.GAVE_UP),
        (RestartPolicy(attempts=3), 300, True, False, Event.EXITED),
        (RestartPolicy(attempts=3), 300, True, True, Event.EXITED),
        (RestartPolicy(restart=False), 1, True, False, Event.GAVE_UP),
    ],
)
def test_giving_up(policy: RestartPolicy, failures: int, was_ready: bool, late: bool, event: Event) -> None:
    assert policy.after_exit(failures, was_ready=was_ready, late=late) is event


def test_a_status_that_says_so_is_believed_of_one_that_was_never_ready() -> None:
    assert RestartPolicy().after_exit(1, was_ready=False, exit_code=78) is Event.GAVE_UP
    assert RestartPolicy().after_exit(1, was_ready=False, exit_code=1) is Event.EXITED
    assert RestartPolicy().after_exit(1, was_ready=True, exit_code=78) is Event.EXITED
    assert RestartPolicy().after_exit(1, was_ready=True, recalled=True, exit_code=78) is Event.GAVE_UP
    assert RestartPolicy().after_exit(9, was_ready=True, recalled=True, exit_code=1, late=True) is Event.EXITED
