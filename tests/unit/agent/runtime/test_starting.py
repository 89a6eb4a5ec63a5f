"""Starting a container whose earlier start may have come into effect. `Engine` plays containerd."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from roadstead.agent.runtime.config import EnginePaths, RuntimeSettings
from roadstead.agent.runtime.errors import CannotStartContainer, ContainerdError, ContainerdUnavailable
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
