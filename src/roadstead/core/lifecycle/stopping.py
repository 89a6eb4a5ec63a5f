"""Why a task stopped, in AWS's words.

Follows "Stopped tasks error codes" (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

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

    `containers` holds (essential, exit code, reason). A task that was RUNNING, or of which an essential container ran while
    none failed to start, ended with an essential container, which tells its own reason. Any other failed to start, and says
    the first cause that is known: the agent's, an essential container's, at last that of one that may fail.
    """
    causes = [text for essential, code, text in containers if essential and code is None and _is_cause(text)]
    exited = any(essential and code is not None for essential, code, _ in containers)
    if started or (exited and not causes):
        return StopCode.ESSENTIAL_CONTAINER_EXITED, ESSENTIAL_CONTAINER_EXITED
    if reason and _is_cause(reason):
        return StopCode.TASK_FAILED_TO_START, reason
    causes += [text for _, _, text in containers if _is_cause(text)]
    return StopCode.TASK_FAILED_TO_START, causes[0] if causes else reason or FAILED_TO_START


def _is_cause(reason: str | None) -> TypeGuard[str]:
    return reason is not None and reason.startswith(_START_ERRORS)
