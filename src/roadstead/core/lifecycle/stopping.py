"""Why a task stopped, in AWS's words.

Follows "Stopped tasks error codes" (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html).
"""

from __future__ import annotations

from collections.abc import Sequence

from roadstead.core.lifecycle.states import StopCode

ESSENTIAL_CONTAINER_EXITED = "Essential container in task exited"
STOPPED_BY_USER = "Task stopped by user"
FAILED_TO_START = "Task failed to start"
INTERFACE_TIMEOUT = "Timeout waiting for network interface provisioning to complete."
INSTANCE_DEREGISTERED = "Container instance deregistration forced by user"
AGENT_LOST = "The agent of the container instance that ran the task was lost"
UNTELLABLE = "ResourceInitializationError: the task definition can't be carried out"

_START_ERRORS = (
    "CannotPullContainer",
    "CannotPullImageManifest",
    "CannotCreateContainer",
    "CannotStartContainer",
    "CannotCreateVolume",
    "CannotInspectContainer",
    "ContainerRuntimeError",
    "ContainerRuntimeTimeoutError",
    "ResourceInitializationError",
    "TaskFailedToStart",
)


def why_stopped(
    *, started: bool, reason: str | None, containers: Sequence[tuple[bool, int | None, str | None]]
) -> tuple[StopCode, str]:
    """The stop code and reason of a task that ended though nobody asked for it.

    `containers` holds (essential, exit code, reason). A task that failed to start says the first cause that is known;
    one whose essential container ended says so, and the container tells its own reason.
    """
    causes = [text for _, _, text in containers if text and text.startswith(_START_ERRORS)]
    exited = any(essential and code is not None for essential, code, _ in containers)
    if causes or not (started or exited):
        if reason and reason.startswith(_START_ERRORS):
            return StopCode.TASK_FAILED_TO_START, reason
        return StopCode.TASK_FAILED_TO_START, causes[0] if causes else reason or FAILED_TO_START
    return StopCode.ESSENTIAL_CONTAINER_EXITED, ESSENTIAL_CONTAINER_EXITED
