"""What a task's containers amount to: the status that SubmitTaskStateChange carries."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from roadstead.core.taskengine.states import ContainerState


class TaskStatus(StrEnum):
    """The statuses an agent reports; they only go up."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


_ORDER = list(TaskStatus)


def task_status(
    containers: Iterable[tuple[bool, ContainerState]], reported: TaskStatus = TaskStatus.PENDING
) -> TaskStatus:
    """RUNNING when every essential container runs and no other is to come, STOPPED when none is left; never below what was `reported`.

    `containers` holds (essential, state). Amazon's agent, too, calls no task RUNNING that goes down before all of it ran.
    """
    given = tuple(containers)
    states = [state for _, state in given]
    if all(state is ContainerState.STOPPED for state in states):
        status = TaskStatus.STOPPED
    elif all(
        state is ContainerState.RUNNING or (state is ContainerState.STOPPED and not essential)
        for essential, state in given
    ):
        status = TaskStatus.RUNNING
    else:
        status = TaskStatus.PENDING
    return max(status, reported, key=_ORDER.index)


OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
"""The reason of a container whose process the kernel killed for memory."""
