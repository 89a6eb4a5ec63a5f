"""The life of a container as ECS agents know it, as a table."""

from __future__ import annotations

from enum import StrEnum


class ContainerState(StrEnum):
    """How far a container has come. In RUNNING a process runs, and in no other."""

    NONE = "NONE"
    PULLED = "PULLED"
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class Event(StrEnum):
    """What happens to a container."""

    PULLED = "PULLED"
    CREATED = "CREATED"
    STARTED = "STARTED"
    EXITED = "EXITED"
    """Its process ended, for good."""
    EXITED_TO_RESTART = "EXITED_TO_RESTART"
    """Its process ended and the restart policy wants it back."""
    ABANDONED = "ABANDONED"
    """It failed, or its task stopped, before its process ran."""


class ImpossibleTransition(ValueError):
    """The table has no such transition."""


_S, _E = ContainerState, Event

TRANSITIONS: dict[tuple[ContainerState, Event], ContainerState] = {
    (_S.NONE, _E.PULLED): _S.PULLED,
    (_S.PULLED, _E.CREATED): _S.CREATED,
    (_S.CREATED, _E.STARTED): _S.RUNNING,
    (_S.RUNNING, _E.EXITED): _S.STOPPED,
    (_S.RUNNING, _E.EXITED_TO_RESTART): _S.PULLED,
    (_S.NONE, _E.ABANDONED): _S.STOPPED,
    (_S.PULLED, _E.ABANDONED): _S.STOPPED,
    (_S.CREATED, _E.ABANDONED): _S.STOPPED,
}


def advance(state: ContainerState, event: Event) -> ContainerState:
    """The state after an event; raises ImpossibleTransition."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ImpossibleTransition(f"{event} in state {state}") from None
