from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from roadstead.core.lifecycle.deadlines import Overdue, Waiting, overdue
from roadstead.core.lifecycle.states import DesiredStatus, TaskStatus

T = datetime(2026, 11, 23, tzinfo=UTC)
PROVISIONING = Waiting(
    last_status=TaskStatus.PROVISIONING,
    desired_status=DesiredStatus.RUNNING,
    created_at=T,
    stopping_at=None,
    stopped_at=None,
    acknowledged=False,
    agent_lost_at=None,
)
STOPPING = replace(
    PROVISIONING,
    last_status=TaskStatus.STOPPING,
    desired_status=DesiredStatus.STOPPED,
    stopping_at=T,
    acknowledged=True,
)
STOPPED = replace(STOPPING, last_status=TaskStatus.STOPPED, stopped_at=T)
RUNNING = replace(PROVISIONING, last_status=TaskStatus.RUNNING, agent_lost_at=T)


@pytest.mark.parametrize(
    ("waiting", "after", "due"),
    [
        (PROVISIONING, timedelta(minutes=4), None),
        (PROVISIONING, timedelta(minutes=5), Overdue.FAIL_PROVISIONING),
        (STOPPING, timedelta(days=1), None),
        (replace(STOPPING, agent_lost_at=T), timedelta(minutes=14), None),
        (replace(STOPPING, agent_lost_at=T), timedelta(minutes=15), Overdue.ABANDON),
        (replace(STOPPING, agent_lost_at=T + timedelta(minutes=5)), timedelta(minutes=15), None),
        (replace(STOPPING, agent_lost_at=T, acknowledged=False), timedelta(minutes=1), Overdue.ABANDON),
        (RUNNING, timedelta(days=1), None),
        (STOPPED, timedelta(minutes=59), None),
        (STOPPED, timedelta(hours=1), Overdue.REAP),
        (replace(STOPPING, last_status=TaskStatus.DEPROVISIONING), timedelta(days=1), None),
    ],
)
def test_overdue(waiting: Waiting, after: timedelta, due: Overdue | None) -> None:
    assert overdue(waiting, now=T + after) is due
