"""Container restart policies (ContainerRestartPolicy in the ECS API reference)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartRule:
    """`period` in seconds: a container that ran for less is not started again."""

    ignored_exit_codes: frozenset[int] = frozenset()
    period: float = 300.0


def should_restart(rule: RestartRule | None, *, exit_code: int, ran_for: float, stopping: bool) -> bool:
    """Whether a container that exited is started again; never while its task goes down."""
    if rule is None or stopping:
        return False
    return exit_code not in rule.ignored_exit_codes and ran_for >= rule.period
