"""The life of one supervised process as a table. Pure: the runner in `child` carries the actions out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a process stands. Each state has at most one deadline, see `Event.DEADLINE`."""

    IDLE = "idle"
    """Not started yet: its dependencies are not ready."""
    STARTING = "starting"
    """It runs and is not ready."""
    READY = "ready"
    REPLACING = "replacing"
    """It was told to stop because it was not healthy, and is started again afterwards."""
    BACKOFF = "backoff"
    """It left by itself and waits for its next start."""
    STOPPING = "stopping"
    """It was told to stop for good."""
    STOPPED = "stopped"
    FAILED = "failed"
    """It never became ready, or must not be restarted: an operator has to act."""


class Event(StrEnum):
    """What can happen to a process."""

    START = "start"
    ADOPT = "adopt"
    """It was found running: the supervisor before us started it."""
    PASSED = "passed"
    """The readiness check succeeded for the first time."""
    UNHEALTHY = "unhealthy"
    """The check failed as often in a row as the specification tolerates."""
    EXITED = "exited"
    """It left and may be started again."""
    GAVE_UP = "gave up"
    """It left and may not be started again."""
    DEADLINE = "deadline"
    """STARTING: not ready in time. READY: healthy for long. REPLACING, STOPPING: ignores the signal. BACKOFF: time to start."""
    STOP = "stop"


class Action(StrEnum):
    """What the runner has to do on a transition, in this order."""

    SPAWN = "spawn"
    SIGNAL = "signal"
    KILL = "kill"
    FORGET_FAILURES = "forget failures"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.IDLE, Event.START): State.STARTING,
    (State.IDLE, Event.ADOPT): State.STARTING,
    (State.IDLE, Event.STOP): State.STOPPED,
    (State.STARTING, Event.PASSED): State.READY,
    (State.STARTING, Event.DEADLINE): State.REPLACING,
    (State.STARTING, Event.EXITED): State.BACKOFF,
    (State.STARTING, Event.GAVE_UP): State.FAILED,
    (State.STARTING, Event.STOP): State.STOPPING,
    (State.READY, Event.DEADLINE): State.READY,
    (State.READY, Event.UNHEALTHY): State.REPLACING,
    (State.READY, Event.EXITED): State.BACKOFF,
    (State.READY, Event.GAVE_UP): State.FAILED,
    (State.READY, Event.STOP): State.STOPPING,
    (State.REPLACING, Event.DEADLINE): State.REPLACING,
    (State.REPLACING, Event.EXITED): State.BACKOFF,
    (State.REPLACING, Event.GAVE_UP): State.FAILED,
    (State.REPLACING, Event.STOP): State.STOPPING,
    (State.BACKOFF, Event.DEADLINE): State.STARTING,
    (State.BACKOFF, Event.STOP): State.STOPPED,
    (State.STOPPING, Event.DEADLINE): State.STOPPING,
    (State.STOPPING, Event.EXITED): State.STOPPED,
    (State.STOPPING, Event.GAVE_UP): State.STOPPED,
    (State.STOPPING, Event.STOP): State.STOPPING,
    (State.STOPPED, Event.START): State.STARTING,
    (State.STOPPED, Event.STOP): State.STOPPED,
    (State.FAILED, Event.START): State.STARTING,
    (State.FAILED, Event.STOP): State.STOPPED,
}

ALIVE = frozenset({State.STARTING, State.READY, State.REPLACING, State.STOPPING})
"""The states in which there is a process."""
CHECKED = frozenset({State.STARTING, State.READY})
"""The states in which its check runs."""
ENDED = frozenset({State.STOPPED, State.FAILED})
"""The states that nothing but a start leaves."""


class ImpossibleEvent(Exception):
    """The event can't happen in that state: a fault in the runner."""


@dataclass(frozen=True, slots=True)
class Step:
    """The state that an event leads to, and what has to be done."""

    state: State
    actions: tuple[Action, ...]


def step(state: State, event: Event) -> Step:
    """Look a transition up; raises ImpossibleEvent."""
    try:
        after = TRANSITIONS[state, event]
    except KeyError:
        raise ImpossibleEvent(f"{event} in state {state}") from None
    return Step(after, _actions(state, event, after))


def _actions(before: State, event: Event, after: State) -> tuple[Action, ...]:
    if after is State.STARTING and event is not Event.ADOPT:
        return (Action.SPAWN,)
    if event is Event.DEADLINE and after is before:
        return (Action.FORGET_FAILURES,) if after is State.READY else (Action.KILL,)
    if before in CHECKED and after in (State.REPLACING, State.STOPPING):
        return (Action.SIGNAL,)
    return ()


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a process that left is started again; times in seconds.

    The n-th failure in a row is followed by a pause of `initial * factor ** (n - 1)`, at most `maximum`. Failures are
    forgotten after `healthy_after` of being ready. A process that was never ready is given up after `attempts` failures, or when it
    was not ready in time, or at once when it exits with a status that is `hopeless` (EX_CONFIG of sysexits.h), so that a wrong
    configuration is an error soon; one that was ready before is restarted for ever. What was ready under an earlier supervisor
    only is tried for ever too, unless it is hopeless.
    """

    initial: float = 0.2
    factor: float = 2.0
    maximum: float = 10.0
    healthy_after: float = 10.0
    attempts: int = 5
    restart: bool = True
    hopeless: tuple[int, ...] = (78,)

    def after_exit(
        self,
        failures: int,
        *,
        was_ready: bool,
        recalled: bool = False,
        late: bool = False,
        exit_code: int | None = None,
    ) -> Event:
        """Whether a process with this many failures in a row, the present one included, is started again.

        `recalled` says that it was ready under an earlier supervisor and not yet under this one; `late`, that it was told to end
        because it was not ready in time, or not healthy any more; `exit_code` is None where nobody saw it.
        """
        hopeless = exit_code in self.hopeless
        without_hope = late or hopeless or failures >= self.attempts
        if not self.restart or (not was_ready and without_hope) or (recalled and hopeless):
            return Event.GAVE_UP
        return Event.EXITED

    def pause(self, failures: int) -> float:
        """Seconds until the next start, after this many failures in a row (one or more)."""
        # Beyond 64 doublings the power only overflows; the maximum holds long before.
        return min(self.initial * self.factor ** min(failures - 1, 64), self.maximum)
