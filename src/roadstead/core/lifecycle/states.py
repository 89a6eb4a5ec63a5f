"""The states of a task and what moves it from one to the next.

Follows "Amazon ECS task lifecycle" (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html).
"""

from __future__ import annotations

from enum import StrEnum


class TaskStatus(StrEnum):
    """`lastStatus` of a task; declared in the order that a task passes through them."""

    PROVISIONING = "PROVISIONING"
    PENDING = "PENDING"
    ACTIVATING = "ACTIVATING"
    RUNNING = "RUNNING"
    DEACTIVATING = "DEACTIVATING"
    STOPPING = "STOPPING"
    DEPROVISIONING = "DEPROVISIONING"
    STOPPED = "STOPPED"


class DesiredStatus(StrEnum):
    """`desiredStatus` of a task."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class ContainerStatus(StrEnum):
    """`lastStatus` of a container, in order."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class HealthStatus(StrEnum):
    """Health of a container or task."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


class Connectivity(StrEnum):
    """Whether the agent that runs the task is connected."""

    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"


class StopCode(StrEnum):
    """`stopCode` of a task."""

    TASK_FAILED_TO_START = "TaskFailedToStart"
    ESSENTIAL_CONTAINER_EXITED = "EssentialContainerExited"
    USER_INITIATED = "UserInitiated"
    SERVICE_SCHEDULER_INITIATED = "ServiceSchedulerInitiated"
    SPOT_INTERRUPTION = "SpotInterruption"
    TERMINATION_NOTICE = "TerminationNotice"
    INFRASTRUCTURE_HEALTH = "InfrastructureHealth"


class TaskEvent(StrEnum):
    """What happens to a task."""

    PROVISIONED = "PROVISIONED"
    """Its network interface is there."""
    STARTED = "STARTED"
    """The agent reports it running."""
    ACTIVATED = "ACTIVATED"
    """What must follow the start is done (registration with a load balancer); at once when there is nothing to do."""
    STOP_REQUESTED = "STOP_REQUESTED"
    """Somebody wants it stopped."""
    DEACTIVATED = "DEACTIVATED"
    """What must precede the stop is done; at once when there is nothing to do."""
    ENDED = "ENDED"
    """The agent reports it stopped, or it is given up."""
    DEPROVISIONED = "DEPROVISIONED"
    """Nothing of its network interface is left."""


_BEFORE_START = (TaskStatus.PROVISIONING, TaskStatus.PENDING)
_BEFORE_END = (
    *_BEFORE_START,
    TaskStatus.ACTIVATING,
    TaskStatus.RUNNING,
    TaskStatus.DEACTIVATING,
    TaskStatus.STOPPING,
)

TRANSITIONS: dict[tuple[TaskStatus, TaskEvent], TaskStatus] = {
    (TaskStatus.PROVISIONING, TaskEvent.PROVISIONED): TaskStatus.PENDING,
    # The agent may report the start before the host has reported the interface: both were sent from one commit.
    **{(status, TaskEvent.STARTED): TaskStatus.ACTIVATING for status in _BEFORE_START},
    (TaskStatus.ACTIVATING, TaskEvent.ACTIVATED): TaskStatus.RUNNING,
    **{(status, TaskEvent.STOP_REQUESTED): TaskStatus.STOPPING for status in _BEFORE_START},
    (TaskStatus.ACTIVATING, TaskEvent.STOP_REQUESTED): TaskStatus.DEACTIVATING,
    (TaskStatus.RUNNING, TaskEvent.STOP_REQUESTED): TaskStatus.DEACTIVATING,
    (TaskStatus.DEACTIVATING, TaskEvent.DEACTIVATED): TaskStatus.STOPPING,
    **{(status, TaskEvent.ENDED): TaskStatus.DEPROVISIONING for status in _BEFORE_END},
    (TaskStatus.DEPROVISIONING, TaskEvent.DEPROVISIONED): TaskStatus.STOPPED,
}
"""Where an event leads. A pair that is absent changes nothing: the event came late, or twice."""


def advance(status: TaskStatus, event: TaskEvent) -> TaskStatus:
    """The status after `event`."""
    return TRANSITIONS.get((status, event), status)


CONTAINER_ORDER: dict[ContainerStatus, int] = {status: rank for rank, status in enumerate(ContainerStatus)}
TASK_ORDER: dict[TaskStatus, int] = {status: rank for rank, status in enumerate(TaskStatus)}
