"""How long a task may wait for somebody else, and what happens then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from roadstead.core.lifecycle.states import DesiredStatus, TaskStatus

PROVISIONING_TIMEOUT = timedelta(minutes=5)
"""A network interface that is not there by then fails the task."""
UNACKNOWLEDGED_STOP_TIMEOUT = timedelta(minutes=1)
"""A task whose payload no agent ever acknowledged, and that is no longer wanted, is given up when its agent stays away this long."""
LOST_AGENT_STOP_TIMEOUT = timedelta(minutes=15)
"""A task that shall stop on an agent that stays away this long is given up."""
STOPPED_RETENTION = timedelta(hours=1)
"""A stopped task can be described this long."""


class Overdue(StrEnum):
    """What to do with a task that waited too long."""

    FAIL_PROVISIONING = "FAIL_PROVISIONING"
    ABANDON = "ABANDON"
    REAP = "REAP"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The times that decide. `agent_lost_at` is None while the agent is connected."""

    last_status: TaskStatus
    desired_status: DesiredStatus
    created_at: datetime
    stopping_at: datetime | None
    stopped_at: datetime | None
    acknowledged: bool
    agent_lost_at: datetime | None


def overdue(task: Waiting, *, now: datetime) -> Overdue | None:
    """What is due for the task at `now`, or None."""
    if task.last_status is TaskStatus.STOPPED:
        return Overdue.REAP if task.stopped_at is not None and now - task.stopped_at >= STOPPED_RETENTION else None
    if task.last_status is TaskStatus.DEPROVISIONING:
        return None
    if task.desired_status is DesiredStatus.STOPPED:
        return Overdue.ABANDON if _stop_is_overdue(task, now) else None
    if task.last_status is TaskStatus.PROVISIONING and now - task.created_at >= PROVISIONING_TIMEOUT:
        return Overdue.FAIL_PROVISIONING
    return None


def _stop_is_overdue(task: Waiting, now: datetime) -> bool:
    if task.agent_lost_at is None or task.stopping_at is None:
        return False
    limit = LOST_AGENT_STOP_TIMEOUT if task.acknowledged else UNACKNOWLEDGED_STOP_TIMEOUT
    return now - max(task.agent_lost_at, task.stopping_at) >= limit
