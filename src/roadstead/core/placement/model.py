"""What placement looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Port = tuple[int, str]
"""A port of the host and its protocol, `tcp` or `udp`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A container instance. CPU in units, memory in MiB; `task_groups` counts running tasks by their group."""

    arn: str
    id: str
    active: bool
    agent_connected: bool
    cpu_free: int
    memory_free: int
    ports_used: frozenset[Port]
    attributes: Mapping[str, str | None]
    ec2_instance_id: str | None = None
    task_groups: Mapping[str, int] = field(default_factory=dict[str, int])

    def after(self, demand: Demand) -> Candidate:
        """The instance once it has taken a task."""
        groups = {**self.task_groups, demand.group: self.task_groups.get(demand.group, 0) + 1}
        return replace(
            self,
            cpu_free=self.cpu_free - demand.cpu,
            memory_free=self.memory_free - demand.memory,
            ports_used=self.ports_used | demand.ports,
            task_groups=groups,
        )


@dataclass(frozen=True, slots=True)
class Constraint:
    """`distinctInstance`, or `memberOf` with an expression."""

    type: str
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Strategy:
    """`random`, `spread` or `binpack`, over a field (`instanceId`, `attribute:…`, `cpu`, `memory`)."""

    type: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a task needs of its instance: `attributes` by name, `values` those that must be exactly so."""

    cpu: int
    memory: int
    ports: frozenset[Port] = frozenset()
    attributes: frozenset[str] = frozenset()
    values: frozenset[tuple[str, str]] = frozenset()
    group: str = ""
    constraints: tuple[Constraint, ...] = ()
    strategies: tuple[Strategy, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an instance can't take the task: AWS's failure reason, and the instance where AWS names it."""

    arn: str
    reason: str
