from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.lifecycle.states import (
    TASK_ORDER,
    Connectivity,
    ContainerStatus,
    DesiredStatus,
    HealthStatus,
    StopCode,
    TaskStatus,
)
from roadstead.core.lifecycle.task import (
    Container,
    ContainerReport,
    ManagedAgent,
    Task,
    TaskReport,
    abandon,
    connected,
    deprovisioned,
    health,
    measured_health,
    provisioned,
    report,
    request_stop,
    started,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LATER = NOW + timedelta(seconds=10)


def task(*containers: Container, has_interface: bool = True) -> Task:
    return started(
        now=NOW,
        containers=containers or (Container(name="app", id="1"),),
        has_interface=has_interface,
        connectivity=Connectivity.CONNECTED,
    )


def says(status: ContainerStatus, exit_code: int | None = None, reason: str | None = None) -> TaskReport:
    container = ContainerReport(name="app", status=status, exit_code=exit_code, reason=reason)
    return TaskReport(status=status, containers=(container,))


RUNNING = says(ContainerStatus.RUNNING)


def stop(state: Task, reason: str = "because") -> Task:
    return request_stop(state, code=StopCode.USER_INITIATED, reason=reason, now=LATER)


def test_a_task_without_interface_begins_pending() -> None:
    assert task(has_interface=False).last_status is TaskStatus.PENDING
    assert task().last_status is TaskStatus.PROVISIONING


def test_running() -> None:
    state = report(provisioned(task()), RUNNING, now=LATER)
    assert state.last_status is TaskStatus.RUNNING
    assert state.started_at == LATER
    assert state.containers[0].last_status is ContainerStatus.RUNNING


def test_registrations_hold_a_task_in_activating() -> None:
    waiting = Task(created_at=NOW, last_status=TaskStatus.PENDING, has_registrations=True)
    assert report(waiting, RUNNING, now=LATER).last_status is TaskStatus.ACTIVATING


def test_a_repeated_report_changes_nothing() -> None:
    state = report(task(), RUNNING, now=NOW)
    assert report(state, RUNNING, now=LATER) is state


def test_a_late_running_does_not_revive() -> None:
    state = stop(report(task(), RUNNING, now=NOW))
    assert state.last_status is TaskStatus.STOPPING
    assert report(state, RUNNING, now=LATER).last_status is TaskStatus.STOPPING


def test_the_first_stop_gives_the_reason() -> None:
    state = stop(stop(task(), "first"), "second")
    assert state.stopped_reason == "first"
    assert state.stopping_at == LATER


def test_essential_container_exited() -> None:
    state = report(report(task(), RUNNING, now=NOW), says(ContainerStatus.STOPPED, exit_code=1), now=LATER)
    assert state.last_status is TaskStatus.DEPROVISIONING
    assert state.desired_status is DesiredStatus.STOPPED
    assert state.stop_code is StopCode.ESSENTIAL_CONTAINER_EXITED
    assert state.stopped_reason == "Essential container in task exited"
    assert state.containers[0].exit_code == 1
    done = deprovisioned(state, now=LATER)
    assert (done.last_status, done.stopped_at) == (TaskStatus.STOPPED, LATER)


def test_without_interface_the_end_is_the_end() -> None:
    state = report(task(has_interface=False), says(ContainerStatus.STOPPED, exit_code=0), now=LATER)
    assert state.last_status is TaskStatus.STOPPED


def test_failed_to_start() -> None:
    reason = "CannotStartContainerError: exec: not found"
    state = report(task(), says(ContainerStatus.STOPPED, reason=reason), now=LATER)
    assert (state.stop_code, state.stopped_reason) == (StopCode.TASK_FAILED_TO_START, reason)
    silent = report(task(), TaskReport(status=ContainerStatus.STOPPED), now=LATER)
    assert silent.stopped_reason == "Task failed to start"


def test_out_of_memory_is_the_containers_reason() -> None:
    reason = "OutOfMemoryError: Container killed due to memory usage"
    state = report(report(task(), RUNNING, now=NOW), says(ContainerStatus.STOPPED, 137, reason), now=LATER)
    assert state.stop_code is StopCode.ESSENTIAL_CONTAINER_EXITED
    assert state.containers[0].reason == reason


def test_a_stop_on_request_keeps_its_reason_through_the_end() -> None:
    state = report(stop(report(task(), RUNNING, now=NOW)), says(ContainerStatus.STOPPED, 143), now=LATER)
    assert (state.stop_code, state.stopped_reason) == (StopCode.USER_INITIATED, "because")


def test_abandon() -> None:
    state = abandon(task(), code=StopCode.INFRASTRUCTURE_HEALTH, reason="lost", now=LATER)
    assert state.last_status is TaskStatus.DEPROVISIONING
    assert state.stop_code is StopCode.INFRASTRUCTURE_HEALTH
    assert state.containers[0].last_status is ContainerStatus.STOPPED


def test_health_is_that_of_essential_containers_with_a_check() -> None:
    state = task(
        Container(name="a", id="1", health_checked=True),
        Container(name="b", id="2"),
        Container(name="c", id="3", health_checked=True, essential=False),
    )
    assert health(state) is HealthStatus.UNKNOWN
    state = measured_health(state, {"a": HealthStatus.HEALTHY, "c": HealthStatus.UNHEALTHY})
    assert health(state) is HealthStatus.HEALTHY
    assert health(measured_health(state, {"a": HealthStatus.UNHEALTHY})) is HealthStatus.UNHEALTHY


def test_managed_agents_remember_their_start() -> None:
    def submit(status: str) -> TaskReport:
        agent = ManagedAgent(name="ExecuteCommandAgent", last_status=status)
        return TaskReport(containers=(ContainerReport(name="app", managed_agents=(agent,)),))

    state = report(task(), submit("RUNNING"), now=NOW)
    state = report(state, submit("STOPPED"), now=LATER)
    agent = state.containers[0].managed_agents[0]
    assert (agent.last_status, agent.last_started_at) == ("STOPPED", NOW)


STEPS: list[Callable[[Task], Task]] = [
    provisioned,
    stop,
    lambda state: report(state, RUNNING, now=LATER),
    lambda state: report(state, says(ContainerStatus.PENDING), now=LATER),
    lambda state: report(state, says(ContainerStatus.STOPPED, 1), now=LATER),
    lambda state: abandon(state, code=StopCode.INFRASTRUCTURE_HEALTH, reason="lost", now=LATER),
    lambda state: deprovisioned(state, now=LATER),
    lambda state: connected(state, Connectivity.DISCONNECTED, now=LATER),
    lambda state: connected(state, Connectivity.CONNECTED, now=LATER),
    lambda state: measured_health(state, {"app": HealthStatus.UNHEALTHY}),
]


@given(st.booleans(), st.lists(st.sampled_from(range(len(STEPS))), max_size=12))
def test_a_task_only_moves_on(has_interface: bool, path: list[int]) -> None:
    state = task(has_interface=has_interface)
    for step in path:
        after = STEPS[step](state)
        assert TASK_ORDER[after.last_status] >= TASK_ORDER[state.last_status]
        assert after.version == state.version + (after is not state)
        if state.last_status is TaskStatus.STOPPED:
            assert after is state
        if state.desired_status is DesiredStatus.STOPPED:
            assert after.desired_status is DesiredStatus.STOPPED
            assert (after.stop_code, after.stopped_reason) == (state.stop_code, state.stopped_reason)
        if TASK_ORDER[after.last_status] >= TASK_ORDER[TaskStatus.STOPPING]:
            assert after.stop_code is not None
            assert after.stopped_reason
        assert (after.stopped_at is not None) == (after.last_status is TaskStatus.STOPPED)
        state = after


def test_a_short_task_does_not_end_before_it_started() -> None:
    running = report(task(has_interface=False), RUNNING, now=LATER)
    stopped = says(ContainerStatus.STOPPED, exit_code=0)
    by_the_agents_clock = msgspec.structs.replace(stopped, execution_stopped_at=LATER - timedelta(milliseconds=20))
    assert report(running, by_the_agents_clock, now=LATER).execution_stopped_at == LATER == running.started_at
