from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.lifecycle.states import TASK_ORDER, TRANSITIONS, TaskEvent, TaskStatus, advance


def test_every_transition_leads_forwards() -> None:
    assert all(TASK_ORDER[after] > TASK_ORDER[before] for (before, _), after in TRANSITIONS.items())


def test_nothing_leaves_stopped() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] is TaskStatus.STOPPED]


def test_every_status_can_reach_stopped() -> None:
    reaching = {TaskStatus.STOPPED}
    while True:
        more = {before for (before, _), after in TRANSITIONS.items() if after in reaching} - reaching
        if not more:
            break
        reaching |= more
    assert reaching == set(TaskStatus)


@given(st.lists(st.sampled_from(TaskEvent)))
def test_events_in_any_order_never_go_back(events: list[TaskEvent]) -> None:
    status = TaskStatus.PROVISIONING
    for event in events:
        after = advance(status, event)
        assert TASK_ORDER[after] >= TASK_ORDER[status]
        status = after
