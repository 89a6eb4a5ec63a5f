"""What a task's record amounts to for the control plane."""

from __future__ import annotations

import msgspec

from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.agent.ecs.reports import observe
from roadstead.core.taskengine.model import Desired
from roadstead.core.taskengine.report import TaskStatus
from roadstead.core.taskengine.states import ContainerState as S
from roadstead.wire.task import Container, ContainerDependency, Task

ARN = "arn:aws:ecs:us-east-1:000000000000:task/web/1"
PULL = "CannotPullContainerError: no such image"
START = "CannotStartContainerError: exec: not found"
UNMET = "CannotStartContainerError: container side stopped before it ran, so its condition START cannot be met"


def record(*containers: ContainerRecord, essential: tuple[str, ...]) -> TaskRecord:
    """A task in which `app` waits for `side`, where there is one."""
    waits = (ContainerDependency(container_name="side", condition="START"),)
    task = Task(
        arn=ARN,
        containers=tuple(
            Container(name=each.name, essential=each.name in essential, depends_on=waits if each.name == "app" else ())
            for each in containers
        ),
    )
    return TaskRecord(
        task=task, desired=Desired.RUNNING, containers={each.name: each for each in containers}, received_at=0.0
    )


def status(app: S, side: S, *essential: str) -> str:
    change = observe(
        record(ContainerRecord(name="app", state=app), ContainerRecord(name="side", state=side), essential=essential)
    )
    assert change is not None
    return change.status


def test_a_task_runs_with_its_essential_containers() -> None:
    """As with Amazon's agent: one of whose essential containers another failed to start was never RUNNING."""
    assert status(S.RUNNING, S.STOPPED, "app") == TaskStatus.RUNNING
    assert status(S.RUNNING, S.STOPPED, "app", "side") == TaskStatus.PENDING
    assert status(S.RUNNING, S.RUNNING, "app", "side") == TaskStatus.RUNNING


def why(*containers: ContainerRecord, essential: tuple[str, ...] = ("app",)) -> str:
    change = observe(record(*containers, essential=essential))
    assert change is not None
    return change.reason


def failed(name: str, reason: str, at: float) -> ContainerRecord:
    return ContainerRecord(name=name, state=S.STOPPED, reason=reason, finished_at=at, removed=True)


def test_why_a_task_failed_to_start_is_what_its_essential_container_failed_with() -> None:
    other = failed("other", PULL, 1.0)
    assert why(other, failed("app", START, 2.0)) == START
    assert why(other, failed("app", "", 2.0)) == PULL
    assert why(other, msgspec.structs.replace(failed("app", START, 2.0), started_at=1.5)) == ""


def test_or_what_the_container_failed_with_that_it_waited_for() -> None:
    assert why(failed("app", UNMET, 2.0), failed("side", PULL, 1.0)) == PULL
    assert why(failed("app", START, 2.0), failed("side", PULL, 3.0)) == START
