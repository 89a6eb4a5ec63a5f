"""Sandboxes whose start nobody saw end. `Engine` plays containerd."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.agent.runtime.errors import ContainerdError, ContainerdUnavailable
from roadstead.agent.runtime.launch import Launcher
from roadstead.agent.runtime.model import ContainerState, Isolation, TaskSpec
from roadstead.agent.runtime.sandboxes import Sandboxes, sandbox_id

TASK = TaskSpec(
    id="t1",
    isolation=Isolation.GVISOR,
    cpu_units=None,
    memory_mib=None,
    network_namespace="/run/netns/t1",
    hostname="h",
)


class Engine:
    def __init__(self) -> None:
        self.state: ContainerState | None = None
        self.away = False
        self.calls: list[str] = []

    async def state_of(self, name: str) -> ContainerState | None:
        return self.state

    async def record(self, record: object) -> None: ...

    async def keep_end(self, record: object) -> None: ...

    async def create_task(self, record: object) -> int:
        self.calls.append("create")
        self.state = ContainerState.CREATED
        return 1

    async def start(self, name: str) -> int:
        self.calls.append("start")
        if self.state is ContainerState.RUNNING:
            raise ContainerdError("it runs")
        self.state = ContainerState.RUNNING
        if self.away:
            self.away = False
            raise ContainerdUnavailable("containerd was killed")
        return 1

    async def stop(self, name: str, number: int, grace: float) -> None:
        self.calls.append("stop")

    async def delete(self, name: str) -> None:
        self.calls.append("delete")
        self.state = None

    async def prepare(self) -> None:
        assert self.state is ContainerState.CREATED, "the addresses are there before the sandbox is started"
        self.calls.append("network")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def sandboxes(engine: Engine, tmp_path: Path) -> Sandboxes:
    settings = SimpleNamespace(pause_rootfs=Path("/pause"), tag="abcdef")
    played = cast("Any", engine)
    launcher = Launcher(played, played, played)
    return Sandboxes(played, launcher, played, Cgroups("abcdef", tmp_path), cast("Any", settings))


async def make(sandboxes: Sandboxes, *, new: bool) -> None:
    prepared = await sandboxes.prepare(TASK, new=new)
    if prepared is not None:
        await sandboxes.create(TASK, prepared)


async def test_a_start_that_lost_sight_of_containerd_is_done_again_in_a_new_sandbox(
    engine: Engine, sandboxes: Sandboxes
) -> None:
    await make(sandboxes, new=True)
    engine.away = True
    with pytest.raises(ContainerdUnavailable):
        await sandboxes.start("t1")
    assert sandboxes.is_doubtful("t1")
    await sandboxes.renew(TASK, engine.prepare)
    assert not sandboxes.is_doubtful("t1")
    await sandboxes.renew(TASK, engine.prepare)
    await sandboxes.start("t1")
    await sandboxes.start("t1")
    assert engine.calls == ["create", "start", "stop", "delete", "create", "network", "start"]


async def test_a_sandbox_that_runs_is_doubtful_to_an_agent_that_started_anew(
    engine: Engine, sandboxes: Sandboxes
) -> None:
    engine.state = ContainerState.RUNNING
    await make(sandboxes, new=False)
    assert sandboxes.is_doubtful("t1")
    sandboxes.trust("t1")
    await sandboxes.renew(TASK, engine.prepare)
    await sandboxes.start("t1")
    assert engine.calls == ["start"]
    assert engine.state is ContainerState.RUNNING


async def test_what_went_well_is_not_doubted(engine: Engine, sandboxes: Sandboxes) -> None:
    await make(sandboxes, new=True)
    await sandboxes.start("t1")
    assert not sandboxes.is_doubtful("t1")
    await sandboxes.renew(TASK, engine.prepare)
    assert engine.calls == ["create", "start"]
    await sandboxes.remove("t1")
    assert sandbox_id("t1") == "t1-sandbox"
    assert engine.state is None
