"""Container health checks (HealthCheck in the ECS API reference), as a fold over their results."""

from __future__ import annotations

from dataclasses import dataclass, replace

from roadstead.core.taskengine.model import Health


@dataclass(frozen=True, slots=True)
class HealthRule:
    """A check; seconds. Failures within `start_period` of the container's start don't count."""

    command: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 5.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True, slots=True)
class HealthState:
    """What the results so far say; `since` is when the status was reached."""

    status: Health = Health.UNKNOWN
    failures: int = 0
    since: float = 0.0
    output: str = ""


def fold(rule: HealthRule, state: HealthState, *, passed: bool, output: str, after: float, now: float) -> HealthState:
    """The state after one more result, `after` seconds from the container's start.

    The start period ends with the first success; within it failures are not counted.
    """
    if passed:
        return _reach(replace(state, failures=0, output=output), Health.HEALTHY, now)
    if state.status is Health.UNKNOWN and after < rule.start_period:
        return replace(state, output=output)
    failed = replace(state, failures=state.failures + 1, output=output)
    return _reach(failed, Health.UNHEALTHY, now) if failed.failures >= rule.retries else failed


def _reach(state: HealthState, status: Health, now: float) -> HealthState:
    return state if state.status is status else replace(state, status=status, since=now)
