"""Restarts, health checks and reported statuses."""

from __future__ import annotations

import pytest

from roadstead.core.taskengine.health import HealthRule, HealthState, fold
from roadstead.core.taskengine.model import Health
from roadstead.core.taskengine.report import TaskStatus, task_status
from roadstead.core.taskengine.restart import RestartRule, should_restart
from roadstead.core.taskengine.states import ContainerState as S

RULE = RestartRule(frozenset({3}), 60.0)


@pytest.mark.parametrize(
    ("rule", "exit_code", "ran_for", "stopping", "expected"),
    [
        (None, 1, 100.0, False, False),
        (RULE, 1, 100.0, False, True),
        (RULE, 0, 100.0, False, True),
        (RULE, 1, 59.9, False, False),
        (RULE, 3, 100.0, False, False),
        (RULE, 1, 100.0, True, False),
    ],
)
def test_restart(rule: RestartRule | None, exit_code: int, ran_for: float, *, stopping: bool, expected: bool):
    assert should_restart(rule, exit_code=exit_code, ran_for=ran_for, stopping=stopping) is expected


def check(*results: bool, start_period: float = 0.0, retries: int = 3) -> HealthState:
    rule, state = HealthRule(("true",), retries=retries, start_period=start_period), HealthState()
    for number, passed in enumerate(results):
        after = (number + 1) * 10.0
        state = fold(rule, state, passed=passed, output="", after=after, now=after)
    return state


def test_health_takes_retries_to_fail_and_one_success_to_pass():
    assert check(False, False).status is Health.UNKNOWN
    assert check(False, False, False).status is Health.UNHEALTHY
    assert check(True).status is Health.HEALTHY
    assert check(True, False, False, True, False).status is Health.HEALTHY
    assert check(True, False, False, False).since == 40.0


def test_failures_within_the_start_period_do_not_count_until_the_first_success():
    assert check(False, False, False, start_period=35.0).status is Health.UNKNOWN
    assert check(False, False, False, False, False, False, start_period=35.0).status is Health.UNHEALTHY
    assert check(True, False, False, False, start_period=100.0).status is Health.UNHEALTHY


@pytest.mark.parametrize(
    ("states", "reported", "expected"),
    [
        ([S.NONE], TaskStatus.PENDING, TaskStatus.PENDING),
        ([S.RUNNING, S.CREATED], TaskStatus.PENDING, TaskStatus.PENDING),
        ([S.RUNNING, S.STOPPED], TaskStatus.PENDING, TaskStatus.RUNNING),
        ([S.STOPPED, S.RUNNING], TaskStatus.PENDING, TaskStatus.PENDING),
        ([S.STOPPED, S.RUNNING], TaskStatus.RUNNING, TaskStatus.RUNNING),
        ([S.PULLED], TaskStatus.RUNNING, TaskStatus.RUNNING),
        ([S.STOPPED], TaskStatus.PENDING, TaskStatus.STOPPED),
        ([], TaskStatus.PENDING, TaskStatus.STOPPED),
    ],
)
def test_task_status(states: list[S], reported: TaskStatus, expected: TaskStatus):
    """The first container is essential."""
    assert task_status([(number == 0, state) for number, state in enumerate(states)], reported) is expected
