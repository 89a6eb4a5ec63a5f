"""What the decisions read and what they answer. Times are seconds of one clock that the caller chooses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from roadstead.core.taskengine.states import ContainerState


class Desired(StrEnum):
    """What the control plane wants of a task."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class Condition(StrEnum):
    """What a dependency waits for (`dependsOn`)."""

    START = "START"
    COMPLETE = "COMPLETE"
    SUCCESS = "SUCCESS"
    HEALTHY = "HEALTHY"


class Health(StrEnum):
    """What a container's check says."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


class Resource(StrEnum):
    """A thing that the containers share: the network, the sandbox."""

    MISSING = "MISSING"
    READY = "READY"
    FAILED = "FAILED"


class Step(StrEnum):
    """Something that takes time and is done by the caller."""

    NETWORK = "NETWORK"
    """Wait for the task's interfaces and put them into its namespace."""
    SANDBOX = "SANDBOX"
    """Make what the containers share in the runtime, around the namespace, which may be empty yet."""
    PULL = "PULL"
    CREATE = "CREATE"
    START = "START"
    STOP = "STOP"
    RELEASE = "RELEASE"
    """Free everything that the stopped task still holds."""


@dataclass(frozen=True, slots=True)
class Action:
    """A step to begin, for one container or, without a name, for the task."""

    step: Step
    container: str = ""


@dataclass(frozen=True, slots=True)
class Abandon:
    """A container that will never run, and why (`reason` as ECS shows it, or empty when its task was stopped)."""

    container: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Dependency:
    """`container` must reach `condition` before the one that names it starts."""

    container: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container as it is now.

    `started_at` is when its process last started; `start_timeout` how long others wait for it to reach their condition.
    `exit_code` is None while it runs, and for one that never ran.
    """

    name: str
    essential: bool = True
    state: ContainerState = ContainerState.NONE
    dependencies: tuple[Dependency, ...] = ()
    busy: Step | None = None
    exit_code: int | None = None
    health: Health = Health.UNKNOWN
    started_at: float | None = None
    start_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task as it is now; `busy` are the steps of the task itself that are under way."""

    desired: Desired
    containers: tuple[ContainerView, ...]
    network: Resource = Resource.MISSING
    sandbox: Resource = Resource.MISSING
    busy: frozenset[Step] = frozenset()
    released: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now. `wake_at` is when the answer may change without anything happening; `stopping` that the task is on its way down."""

    actions: tuple[Action, ...] = ()
    abandon: tuple[Abandon, ...] = ()
    wake_at: float | None = None
    stopping: bool = False
