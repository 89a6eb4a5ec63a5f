"""Starting a container whose earlier start may have come into effect. `Engine` plays containerd."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from roadstead.agent.runtime.config import EnginePaths, RuntimeSettings
from roadstead.agent.runtime.errors import (
    CannotCreateContainer,
    CannotStartContainer,
    ContainerdError,
    ContainerdUnavailable,
)
from roadstead.agent.runtime.model import ContainerSpec, Isolation, Output, TaskSpec
from roadstead.agent.runtime.runtime import Runtime

RUNS = "cannot start a running process: unknown"


class Engine:
    """Answers each start with the next of `answers`, then well."""

    def __init__(self, *answers: Exception) -> None:
        self._answers = iter(answers)

    async def start(self, container_id: str) -> int:
        if (error := next(self._answers, None)) is not None:
            raise error
        return 1


def runtime(tmp_path: Path, *answers: Exception, known: bool = True) -> Runtime:
    paths = EnginePaths(*(tmp_path / name for name in ("containerd", "runc", "runc-shim")))
    made = Runtime(RuntimeSettings(tmp_path, tmp_path, paths, "http://127.0.0.1:4566"))
    made._containers = cast("Any", Engine(*answers))
    if known:
        made._task_of["a"] = "t1"
    return made


@pytest.mark.parametrize(
    "text",
    [
        RUNS,
        "cannot start a stopped process: unknown",
        "OCI runtime start failed: cannot start an already running container: unknown",
        "OCI runtime start failed: cannot start a container that has stopped: unknown",
    ],
)
async def test_a_start_whose_answer_was_lost_is_not_made_twice(tmp_path: Path, text: str) -> None:
    it = runtime(tmp_path, ContainerdUnavailable("away"), ContainerdError(text))
    with pytest.raises(ContainerdUnavailable):
        await it.start("a")
    await it.start("a")


async def test_a_start_that_an_earlier_agent_made_is_not_made_twice(tmp_path: Path) -> None:
    await runtime(tmp_path, ContainerdError(RUNS), known=False).start("a")


async def test_nothing_else_is_forgiven(tmp_path: Path) -> None:
    it = runtime(tmp_path, ContainerdUnavailable("away"), ContainerdError("no such file or directory"))
    with pytest.raises(ContainerdUnavailable):
        await it.start("a")
    with pytest.raises(CannotStartContainer):
        await it.start("a")
    with pytest.raises(CannotStartContainer, match="running process"):
        await runtime(tmp_path, ContainerdError(RUNS)).start("a")


class Parts:
    """Plays what a late start asks: the sandbox's start and the making of the container, of which one fails."""

    def __init__(self, runtime: Runtime, *, sandbox: Exception | None = None, making: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._sandbox, self._making = sandbox, making
        self._under_way = 0
        runtime._sandboxes = runtime._maker = runtime._launcher = runtime._endings = cast("Any", self)
        runtime._exits = cast("Any", self)

    async def _beside(self, what: str, error: Exception | None) -> None:
        self._under_way += 1
        await asyncio.sleep(0)
        assert self._under_way == 2, "both are under way at once"
        if error is not None:
            self.calls.append(f"{what} failed")
            raise error
        await asyncio.sleep(0.01)
        self.calls.append(what)

    async def start(self, task_id: str) -> None:
        await self._beside("sandbox", self._sandbox)

    async def prepare(self, spec: ContainerSpec, task: TaskSpec) -> str:
        await self._beside("container", self._making)
        return spec.id

    async def create(self, record: str) -> None:
        self.calls.append(f"create {record}")

    async def delete(self, container_id: str) -> None:
        self.calls.append(f"delete {container_id}")

    async def forget(self, container_id: str) -> None: ...

    def expect(self, container_id: str) -> None: ...

    def doubt(self, task_id: str) -> None:
        self.calls.append(f"doubt {task_id}")


async def noted(tmp_path: Path) -> Runtime:
    it = runtime(tmp_path)
    it._tasks["t1"] = TaskSpec("t1", Isolation.GVISOR)
    image = cast("Any", None)
    await it.create(ContainerSpec("a", "t1", image, Output(tmp_path / "out", tmp_path / "err")))
    return it


async def test_containerd_is_told_of_a_container_while_its_sandbox_starts(tmp_path: Path) -> None:
    it = await noted(tmp_path)
    parts = Parts(it)
    await it.start("a")
    assert parts.calls == ["sandbox", "container", "create a"]


async def test_neither_is_broken_off_when_the_other_fails(tmp_path: Path) -> None:
    it = await noted(tmp_path)
    parts = Parts(it, making=CannotCreateContainer("no such user"))
    with pytest.raises(CannotCreateContainer, match="no such user"):
        await it.start("a")
    assert parts.calls == ["container failed", "sandbox", "delete a"], "other containers may need the sandbox"

    it = await noted(tmp_path)
    parts = Parts(it, sandbox=ContainerdUnavailable("away"))
    with pytest.raises(ContainerdUnavailable):
        await it.start("a")
    assert parts.calls == ["sandbox failed", "container", "delete a", "doubt t1"]
