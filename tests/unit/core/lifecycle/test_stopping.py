"""Why a task stopped, by what its containers came to."""

from __future__ import annotations

import pytest

from roadstead.core.lifecycle.states import StopCode
from roadstead.core.lifecycle.stopping import ESSENTIAL_CONTAINER_EXITED, FAILED_TO_START, why_stopped

EXITED = (StopCode.ESSENTIAL_CONTAINER_EXITED, ESSENTIAL_CONTAINER_EXITED)
PULL = "CannotPullContainerError: no such image"
START = "CannotStartContainerError: exec: not found"
UNMET = "CannotStartContainerError: container side stopped before it ran, so its condition START cannot be met"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"

Containers = list[tuple[bool, int | None, str | None]]


def failed(reason: str) -> tuple[StopCode, str]:
    return StopCode.TASK_FAILED_TO_START, reason


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([(True, 0, None), (False, None, PULL)], EXITED),
        ([(False, None, PULL), (True, 1, None)], EXITED),
        ([(True, 137, OUT_OF_MEMORY)], EXITED),
        ([(True, 137, None), (True, None, START)], EXITED),
    ],
)
def test_a_task_that_ran_ends_with_an_essential_container(
    containers: Containers, expected: tuple[StopCode, str]
) -> None:
    """A container that was restarted and then failed to start is one that ended."""
    assert why_stopped(started=True, reason=None, containers=containers) == expected


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([(True, 0, None), (False, None, PULL)], EXITED),
        ([(True, 0, None), (True, None, None)], EXITED),
        ([(True, 1, START)], EXITED),
        ([(True, 143, None), (True, None, PULL)], failed(PULL)),
        ([(False, None, PULL), (True, 143, None), (True, None, START)], failed(START)),
        ([(False, None, PULL), (True, None, START)], failed(START)),
        ([(True, None, None), (False, None, PULL)], failed(PULL)),
        ([(True, None, None), (False, 9, None)], failed(FAILED_TO_START)),
    ],
)
def test_a_task_that_never_ran_as_a_whole(containers: Containers, expected: tuple[StopCode, str]) -> None:
    """Some of it ran: short, or until another essential container failed to start."""
    assert why_stopped(started=False, reason=None, containers=containers) == expected


def test_an_essential_container_that_waited_for_one_that_failed_to_start() -> None:
    """The agent tells what failed first; without it the essential container names the other, which says the rest."""
    containers: Containers = [(True, None, UNMET), (False, None, PULL)]
    assert why_stopped(started=False, reason=PULL, containers=containers) == failed(PULL)
    assert why_stopped(started=False, reason=None, containers=containers) == failed(UNMET)


def test_what_the_agent_says_of_the_whole_task_comes_first() -> None:
    reason = "ResourceInitializationError: failed to create the task's sandbox"
    assert why_stopped(started=False, reason=reason, containers=[(True, None, PULL)]) == failed(reason)
    assert why_stopped(started=False, reason="gone", containers=[(True, None, None)]) == failed("gone")
    assert why_stopped(started=True, reason=None, containers=[(True, None, "ContainerVanishedError: gone")]) == EXITED
