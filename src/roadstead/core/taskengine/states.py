"""The life of a container as ECS agents know it, as a table."""

from __future__ import annotations

from enum import StrEnum


class ContainerState(StrEnum):
    """How far a container has come. `RESOURCES_PROVISIONED` follows RUNNING for containers that prepare the task for others."""

    NONE = "NONE"
    MANIFEST_PULLED = "MANIFEST_PULLED"
    PULLED = "PULLED"
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    RESOURCES_PROVISIONED = "RESOURCES_PROVISIONED"
    STOPPED = "STOPPED"


class Event(StrEnum):
    """What happens to a container."""

    MANIFEST_RESOLVED = "MANIFEST_RESOLVED"
    PULLED = "PULLED"
    CREATED = "CREATED"
    STARTED = "STARTED"
    PROVISIONED = "PROVISIONED"
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
    (_S.NONE, _E.MANIFEST_RESOLVED): _S.MANIFEST_PULLED,
    (_S.NONE, _E.PULLED): _S.PULLED,
    (_S.MANIFEST_PULLED, _E.PULLED): _S.PULLED,
    (_S.PULLED, _E.CREATED): _S.CREATED,
    (_S.CREATED, _E.STARTED): _S.RUNNING,
    (_S.RUNNING, _E.PROVISIONED): _S.RESOURCES_PROVISIONED,
    (_S.RUNNING, _E.EXITED): _S.STOPPED,
    (_S.RESOURCES_PROVISIONED, _E.EXITED): _S.STOPPED,
    (_S.RUNNING, _E.EXITED_TO_RESTART): _S.PULLED,
    (_S.CREATED, _E.EXITED): _S.STOPPED,
    (_S.NONE, _E.ABANDONED): _S.STOPPED,
    (_S.MANIFEST_PULLED, _E.ABANDONED): _S.STOPPED,
    (_S.PULLED, _E.ABANDONED): _S.STOPPED,
    (_S.CREATED, _E.ABANDONED): _S.STOPPED,
}

HAS_PROCESS = frozenset({ContainerState.RUNNING, ContainerState.RESOURCES_PROVISIONED})
"""The states in which a process runs."""


def advance(state: ContainerState, event: Event) -> ContainerState:
    """The state after an event; raises ImpossibleTransition."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ImpossibleTransition(f"{event} in state {state}") from None
