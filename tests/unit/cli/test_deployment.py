"""Ends that are wanted while what was ready before does not get ready again: the user's, and `down` after a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support.waiting import reached

from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.cli import deployment
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import Config
from roadstead.cli.view import View
from roadstead.engines.supervise import ProcessFailed, ProcessSpec, RestartPolicy, Supervisor

DEADLINE = 30.0
SETTINGS = cast("RuntimeSettings", None)


async def never() -> bool:
    return False


@pytest.fixture
async def lost(tmp_path: Path) -> ProcessSpec:
    """A process that was ready, died with its supervisor, and will not be ready again."""
    policy = RestartPolicy(initial=0.01, maximum=0.05)
    argv = (sys.executable, "-c", "import time; time.sleep(1000)")
    made = ProcessSpec("lost", argv, restart=policy, ready_within=0.1)
    first = Supervisor(tmp_path, [made])
    await first.start()
    process = first.status().children[0].process
    assert process is not None
    await first.release()
    os.kill(process.pid, signal.SIGKILL)
    await asyncio.to_thread(os.waitpid, process.pid, 0)
    return ProcessSpec("lost", argv, restart=policy, ready_within=0.1, check=never)


async def test_an_end_that_is_wanted_while_it_comes_up_with_tasks_comes(
    tmp_path: Path, lost: ProcessSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "containers_run", lambda _: True)
    supervisor, stop = Supervisor(tmp_path, [lost]), asyncio.Event()
    starting = asyncio.create_task(deployment._start(supervisor, SETTINGS, stop, asyncio.Event()))
    await reached(lambda: starting.done() or supervisor.status().children[0].restarts > 2, seconds=DEADLINE)
    assert not starting.done()
    stop.set()
    with pytest.raises(ProcessFailed, match=r"not ready within 0.1 s"):
        await asyncio.wait_for(starting, DEADLINE)


async def test_down_after_a_crash_frees_the_host_when_nothing_comes_up_again(
    tmp_path: Path, lost: ProcessSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settings(*_: object) -> RuntimeSettings:
        return SETTINGS

    async def supervisor(data: Path, wanted: list[ProcessSpec], _: RuntimeSettings, view: View) -> Supervisor:
        return Supervisor(data, wanted, on_change=view.changed)

    freed: list[Path] = []
    changes: dict[str, Any] = {
        "specs": lambda *_: [lost],
        "_settings": settings,
        "_supervisor": supervisor,
        "port_problem": lambda _: "it is taken",
        "free_host": lambda data, _: freed.append(data),
    }
    for name, value in changes.items():
        monkeypatch.setattr(deployment, name, value)
    with pytest.raises(CommandFailed, match=r"could not be stopped in order: lost failed: not ready within 0.1 s"):
        await asyncio.wait_for(deployment.recover(tmp_path, Config()), DEADLINE)
    assert freed == [tmp_path]
