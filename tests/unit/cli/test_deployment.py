"""Coming up and ending where something does not go well: what does not get ready again, a profile that can't be written."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support.waiting import reached

from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.cli import deployment
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import Config
from roadstead.cli.view import View
from roadstead.engines.supervise import ProcessFailed, ProcessSpec, RestartPolicy, State, Supervisor, read_status
from roadstead.engines.supervise.process import is_alive
from roadstead.server.files import Credentials

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


@pytest.mark.parametrize("containers", [False, True])
async def test_what_does_not_get_ready_again_is_given_up_unless_containers_run(
    tmp_path: Path, lost: ProcessSpec, monkeypatch: pytest.MonkeyPatch, containers: bool
) -> None:
    looks: list[bool] = []

    def containers_run(_: RuntimeSettings) -> bool:
        looks.append(containers)
        return containers

    monkeypatch.setattr(deployment, "containers_run", containers_run)
    monkeypatch.setattr(deployment, "PATIENCE_SECONDS", 0.5)
    supervisor, stop = Supervisor(tmp_path, [lost]), asyncio.Event()
    starting = asyncio.create_task(deployment._start(supervisor, SETTINGS, stop, asyncio.Event()))
    if containers:
        await reached(lambda: starting.done() or len(looks) > 2, seconds=DEADLINE)
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


def play(monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor, **changes: object) -> None:
    """Have `run` work with this supervisor, on a host that has nothing else of the deployment."""

    async def settings(*_: object) -> RuntimeSettings:
        return cast("RuntimeSettings", object())

    async def supervising(*_: object) -> Supervisor:
        await supervisor.take()
        return supervisor

    async def stop_and_free(*_: object) -> None:
        await supervisor.stop()

    played: dict[str, Any] = {
        "specs": lambda *_: [],
        "_settings": settings,
        "_supervisor": supervising,
        "port_problem": lambda _: "",
        "containers_run": lambda _: False,
        "stop_and_free": stop_and_free,
    }
    for name, value in {**played, **changes}.items():
        monkeypatch.setattr(deployment, name, value)


async def test_a_profile_that_cannot_be_written_is_told_and_keeps_nothing_from_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, argv = tmp_path / "home", (sys.executable, "-c", "import time; time.sleep(1000)")
    home.mkdir()
    (home / ".aws").touch()
    monkeypatch.setattr("roadstead.cli.profile.person_home", lambda: home)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    key = Credentials(account="1", region="r", endpoint="http://x", access_key_id="A", secret_access_key="S")
    supervisor = Supervisor(tmp_path, [ProcessSpec("one", argv)])
    play(monkeypatch, supervisor, read_credentials=lambda _: key)
    seen: list[State] = []

    def ready() -> None:
        seen.extend(child.state for child in supervisor.status().children)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        await asyncio.wait_for(deployment.run(tmp_path, Config(), profile=True, ready=ready), DEADLINE)
    finally:
        await supervisor.stop()
    assert seen == [State.READY]
    assert "The AWS profile was not written: " in capsys.readouterr().out


async def test_an_end_that_is_wanted_while_survivors_are_met_ends_them_before_the_host_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens, told = tmp_path / "listens", tmp_path / "told"
    code = f"""
import pathlib, signal, time
signal.signal(signal.SIGTERM, lambda *_: pathlib.Path({str(told)!r}).touch())
pathlib.Path({str(listens)!r}).touch()
while True: time.sleep(1000)
"""

    async def check() -> bool:
        return listens.exists()

    left = ProcessSpec("deaf", (sys.executable, "-c", code), check=check, stop_timeout=1.0)
    first = Supervisor(tmp_path, [left])
    await first.start()
    process = first.status().children[0].process
    assert process is not None
    await first.release()
    freed: list[bool] = []
    play(
        monkeypatch,
        Supervisor(tmp_path, [replace(left, revision="2", stop_timeout=10.0)]),
        free_host=lambda *_: freed.append(is_alive(process)),
    )
    running = asyncio.create_task(deployment.run(tmp_path, Config(), profile=False, ready=lambda: None))
    try:
        await reached(told.exists, seconds=DEADLINE)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, DEADLINE)
        assert freed == [False]
        assert read_status(tmp_path).children == ()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, process.pid, 0)
