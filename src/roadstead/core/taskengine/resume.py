"""What an agent that started anew makes of its checkpoint, container by container, beside what the runtime has."""

from __future__ import annotations

from enum import StrEnum

from roadstead.core.taskengine.states import ContainerState

START_BROKEN_OFF = 128
"""The exit code that gVisor's shim gives a container whose start was broken off, as the death of the agent that asked for it does."""


class Seen(StrEnum):
    """What the runtime has of a container."""

    ABSENT = "ABSENT"
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    EXITED = "EXITED"
    """Its process ended, with a code."""
    LOST = "LOST"
    """It is there without a process, and nobody knows how that ended."""


class Verdict(StrEnum):
    """What follows."""

    AS_RECORDED = "AS_RECORDED"
    STARTED = "STARTED"
    """Its start came into effect, and the earlier agent died before it could write that down."""
    UNMADE = "UNMADE"
    """It is to be made again."""
    HALF_MADE = "HALF_MADE"
    """It is to be made again, after what there is of it was removed."""
    VANISHED = "VANISHED"
    """Its process is gone without a trace."""


def compare(state: ContainerState, seen: Seen, exit_code: int | None = None) -> Verdict:
    """What to do about a container. Ends of processes that ran are told apart from this, as they come."""
    if state is ContainerState.CREATED:
        if seen is Seen.RUNNING or (seen is Seen.EXITED and exit_code != START_BROKEN_OFF):
            return Verdict.STARTED
        if seen is Seen.ABSENT:
            return Verdict.UNMADE
        return Verdict.AS_RECORDED if seen is Seen.CREATED else Verdict.HALF_MADE
    if state is ContainerState.PULLED and seen is not Seen.ABSENT:
        return Verdict.HALF_MADE
    if state is ContainerState.RUNNING and seen is Seen.ABSENT:
        return Verdict.VANISHED
    return Verdict.AS_RECORDED


def never_began(state: ContainerState, exit_code: int, *, lost: bool) -> bool:
    """Whether the news of an end is of a container that was made and whose program never ran: it is made again instead."""
    return state is ContainerState.CREATED and (lost or exit_code == START_BROKEN_OFF)
