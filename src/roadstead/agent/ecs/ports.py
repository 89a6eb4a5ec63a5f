"""What the ecs role asks of the container runtime: the part of `agent.runtime.Runtime` that it uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Container
from typing import Protocol

from roadstead.agent.runtime.cgroups import TaskUsage
from roadstead.agent.runtime.model import (
    ContainerExit,
    ContainerSpec,
    ContainerStatus,
    ExecSpec,
    Image,
    PullProgress,
    TaskSpec,
)


class ContainerRuntime(Protocol):
    """Errors are those of `agent.runtime.errors`; `ContainerdUnavailable` from any call means: try again."""

    async def ensure_image(
        self, reference: str, authorization: str | None, progress: Callable[[PullProgress], None] | None = None
    ) -> Image:
        """Resolve an image and pull what is missing."""
        ...

    async def remove_unused_images(self, keep: Container[str], unused_for: float) -> list[str]:
        """Remove images that were not asked for, nor kept, for so many seconds."""
        ...

    async def create_task(self, task: TaskSpec) -> None:
        """Make what the containers of a task share."""
        ...

    async def remove_task(self, task_id: str) -> None:
        """Remove everything of a task."""
        ...

    async def create(self, spec: ContainerSpec) -> None:
        """Make a container."""
        ...

    async def renew_sandbox(self, task_id: str, prepare: Callable[[], Awaitable[None]]) -> None:
        """Before a start: make what the task's containers share anew where it may be broken; `prepare` completes its network."""
        ...

    async def start(self, container_id: str) -> None:
        """Start its process."""
        ...

    async def stop(self, container_id: str, *, signal: int = 15, grace: float = 30) -> None:
        """Signal, wait, kill, wait."""
        ...

    async def remove(self, container_id: str) -> None:
        """Remove a container that has ended; afterwards all of its output is in its files."""
        ...

    async def exec(self, container_id: str, spec: ExecSpec) -> int:
        """Start one more process."""
        ...

    async def exec_wait(self, container_id: str, exec_id: str, within: float) -> int | None:
        """Its exit code; None if it still runs after `within` seconds."""
        ...

    async def exec_kill(self, container_id: str, exec_id: str, signal: int = 9) -> None:
        """End it."""
        ...

    async def list(self) -> list[ContainerStatus]:
        """Every container of this agent."""
        ...

    async def state(self, container_id: str) -> ContainerStatus:
        """One container; raises NotFound."""
        ...

    async def watch_again(self, container_id: str) -> None:
        """Tell the end of a container that is there, once more if it was told."""
        ...

    def watch_exits(self) -> AsyncIterator[ContainerExit]:
        """Every end, at least once, until the container is removed."""
        ...


class MeasuredRuntime(ContainerRuntime, Protocol):
    """A runtime that also tells what tasks use."""

    async def usage(self, task_id: str) -> TaskUsage:
        """What a task's containers use together."""
        ...
