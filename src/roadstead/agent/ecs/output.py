"""Where containers' output goes, seen from the task engine."""

from __future__ import annotations

from typing import Protocol

from roadstead.agent.ecs.launch import Launch
from roadstead.agent.runtime.model import Output
from roadstead.wire.task import Task


class OutputUnavailable(Exception):
    """The log driver can't be set up; the text is the reason."""


class OutputSink(Protocol):
    """Files that the shim appends to, and whoever carries them on."""

    async def open(self, task: Task, launch: Launch, runtime_id: str) -> Output:
        """The files of a container, followed from now on; safe to repeat. Raises OutputUnavailable."""
        ...

    def resume(self, task: Task, launch: Launch, runtime_id: str) -> None:
        """Follow the files of a container that an earlier agent opened."""
        ...

    async def close(self, runtime_id: str) -> None:
        """The container was removed: carry on what is left, then forget it. Safe to repeat."""
        ...
