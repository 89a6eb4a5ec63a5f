"""Whether a container may start: `dependsOn` (ContainerDependency in the ECS API reference)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from roadstead.core.taskengine.model import Condition, ContainerView, Dependency, Health
from roadstead.core.taskengine.states import ContainerState

_PREFIX = "CannotStartContainerError: "
"""What Amazon's agent calls a container whose dependencies can't be met."""


class Verdict(Enum):
    """Of one dependency or of all of a container."""

    MET = "met"
    WAIT = "wait"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Resolution:
    """The verdict, the reason where it is NEVER, and when a wait runs out."""

    verdict: Verdict
    reason: str = ""
    deadline: float | None = None


def resolve(container: ContainerView, others: dict[str, ContainerView], now: float) -> Resolution:
    """Look at every dependency of a container; NEVER wins over WAIT, WAIT over MET."""
    deadline: float | None = None
    waiting = False
    for dependency in container.dependencies:
        target = others.get(dependency.container)
        if target is None:
            return Resolution(Verdict.NEVER, f"{_PREFIX}there is no container {dependency.container}")
        one = _resolve_one(dependency, target, now)
        if one.verdict is Verdict.NEVER:
            return one
        if one.verdict is Verdict.WAIT:
            waiting = True
            if one.deadline is not None:
                deadline = one.deadline if deadline is None else min(deadline, one.deadline)
    return Resolution(Verdict.WAIT, deadline=deadline) if waiting else Resolution(Verdict.MET)


def _resolve_one(dependency: Dependency, target: ContainerView, now: float) -> Resolution:
    stopped = target.state is ContainerState.STOPPED
    if _is_met(dependency.condition, target):
        return Resolution(Verdict.MET)
    if stopped:
        return Resolution(Verdict.NEVER, _never(dependency, target))
    if (
        target.start_timeout is not None
        and target.started_at is not None
        and dependency.condition is not Condition.START
    ):
        deadline = target.started_at + target.start_timeout
        if now >= deadline:
            return Resolution(
                Verdict.NEVER,
                f"{_PREFIX}container {target.name} did not reach {dependency.condition} within its start "
                f"timeout of {target.start_timeout:g} seconds",
            )
        return Resolution(Verdict.WAIT, deadline=deadline)
    return Resolution(Verdict.WAIT)


def _is_met(condition: Condition, target: ContainerView) -> bool:
    ran = target.exit_code is not None
    match condition:
        case Condition.START:
            return target.state is ContainerState.RUNNING or (target.state is ContainerState.STOPPED and ran)
        case Condition.COMPLETE:
            return target.state is ContainerState.STOPPED and ran
        case Condition.SUCCESS:
            return target.state is ContainerState.STOPPED and target.exit_code == 0
        case Condition.HEALTHY:
            return target.state is ContainerState.RUNNING and target.health is Health.HEALTHY


def _never(dependency: Dependency, target: ContainerView) -> str:
    how = "before it ran" if target.exit_code is None else f"with exit code {target.exit_code}"
    return f"{_PREFIX}container {target.name} stopped {how}, so its condition {dependency.condition} cannot be met"
