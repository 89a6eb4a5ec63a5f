"""Filter, then order by the strategies, then take the first.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement.html; reasons as in
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from roadstead.core.placement.expressions import matches
from roadstead.core.placement.model import Candidate, Constraint, Demand, Rejection, Strategy

ZONE = "ecs.availability-zone"
DEFAULT_STRATEGIES = (Strategy("spread", f"attribute:{ZONE}"), Strategy("spread", "instanceId"))


def choose(
    candidates: Sequence[Candidate], demand: Demand, *, tie_break: Callable[[Candidate], float]
) -> Candidate | list[Rejection]:
    """The instance for one task, or why each refuses it (empty without any instance). `tie_break` orders equals."""
    fitting: list[Candidate] = []
    rejections: list[Rejection] = []
    for candidate in candidates:
        reason = why_not(candidate, demand)
        if reason is None:
            fitting.append(candidate)
        else:
            rejections.append(Rejection(candidate.arn, reason))
    if not fitting:
        return rejections
    for strategy in demand.strategies or DEFAULT_STRATEGIES:
        fitting = _narrow(fitting, strategy, demand)
    return min(fitting, key=lambda candidate: (tie_break(candidate), candidate.arn))


def why_not(candidate: Candidate, demand: Demand) -> str | None:
    """AWS's reason why the instance can't take the task; None when it can."""
    if not candidate.active:
        return "INACTIVE"
    if not candidate.agent_connected:
        return "AGENT"
    if not demand.attributes <= candidate.attributes.keys():
        return "ATTRIBUTE"
    if any(candidate.attributes.get(name) != value for name, value in demand.values):
        return "ATTRIBUTE"
    if demand.cpu > candidate.cpu_free:
        return "RESOURCE:CPU"
    if demand.memory > candidate.memory_free:
        return "RESOURCE:MEMORY"
    if demand.ports & candidate.ports_used:
        return "RESOURCE:PORTS"
    if not all(_allows(constraint, candidate, demand) for constraint in demand.constraints):
        return "MemberOf placement constraint unsatisfied."
    return None


def _allows(constraint: Constraint, candidate: Candidate, demand: Demand) -> bool:
    if constraint.type == "distinctInstance":
        return candidate.task_groups.get(demand.group, 0) == 0
    return matches(constraint.expression, candidate)


def _narrow(fitting: list[Candidate], strategy: Strategy, demand: Demand) -> list[Candidate]:
    if strategy.type == "binpack":
        least = min(_free(candidate, strategy.field) for candidate in fitting)
        return [candidate for candidate in fitting if _free(candidate, strategy.field) == least]
    if strategy.type == "spread":
        tasks: Counter[str] = Counter()
        for candidate in fitting:
            tasks[_value(candidate, strategy.field)] += candidate.task_groups.get(demand.group, 0)
        least = min(tasks[_value(candidate, strategy.field)] for candidate in fitting)
        return [candidate for candidate in fitting if tasks[_value(candidate, strategy.field)] == least]
    return fitting


def _free(candidate: Candidate, field: str) -> int:
    return candidate.cpu_free if field.lower() == "cpu" else candidate.memory_free


def _value(candidate: Candidate, field: str) -> str:
    if field.lower() in ("instanceid", "host"):
        return candidate.id
    return candidate.attributes.get(field.removeprefix("attribute:")) or ""
