"""Making a container while an earlier attempt at it is still being taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.unit.agent.runtime.played_containerd import Engine, Parts

from roadstead.agent.runtime import launch as launch_module
from roadstead.agent.runtime.containers import Record
from roadstead.agent.runtime.errors import CannotStartContainer, ContainerdError
from roadstead.agent.runtime.launch import Launcher
from roadstead.agent.runtime.model import Isolation

IN_THE_WAY = "mkdir /run/x/io.containerd.runtime.v2.task/roadstead/a-1: file exists"
RUNC_STATE = (
    "failed to create shim task: OCI runtime create failed: runc create failed: container with given ID already exists"
)
GVISOR_STATE = (
    "failed to create shim task: OCI runtime create failed: creating container: cannot lock container metadata file: container"
    " already exists"
)
RECORD = Record(id="a-1", image="web", isolation=Isolation.GVISOR, document=cast("Any", {}), labels={})


class Played:
    """Answers each attempt with the next of `errors`, then well."""

    def __init__(self, errors: Iterator[str]) -> None:
        self._errors = errors
        self.attempts = 0
        self.discarded: list[str] = []
        self.bundle_stays = False

    async def record(self, record: Record) -> None: ...

    async def keep_end(self, record: Record) -> None: ...

    async def discard_gvisor_state(self, container_id: str) -> None:
        self.discarded.append(container_id)

    async def discard_bundle(self, container_id: str) -> None:
        self.bundle_stays = False

    async def create_task(self, record: Record) -> int:
        self.attempts += 1
        if self.bundle_stays:
            raise ContainerdError(IN_THE_WAY)
        if (text := next(self._errors, None)) is not None:
            raise ContainerdError(text)
        return 1

    async def launch(self) -> None:
        played = cast("Any", self)
        launcher = Launcher(played, played, played)
        await launcher.store(RECORD)
        await launcher.create(RECORD)


async def launch(*errors: str) -> int:
    containers = Played(iter(errors))
    await containers.launch()
    return containers.attempts


async def test_what_is_in_the_way_is_waited_for() -> None:
    assert await launch(IN_THE_WAY, IN_THE_WAY) == 3
    assert await launch(RUNC_STATE) == 2


async def test_gvisor_is_told_to_forget_what_it_kept() -> None:
    containers = Played(iter([GVISOR_STATE]))
    await containers.launch()
    assert (containers.attempts, containers.discarded) == (2, ["a-1"])


async def test_a_bundle_that_containerd_leaves_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_module, "CONTAINERDS_SECONDS", 0.15)
    containers = Played(iter([]))
    containers.bundle_stays = True
    await containers.launch()
    assert containers.attempts == 4


async def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_module, "LEFTOVER_SECONDS", 0.2)
    with pytest.raises(CannotStartContainer, match="file exists"):
        await launch(*[IN_THE_WAY] * 100)


async def test_what_an_engine_refuses_is_told_at_once() -> None:
    with pytest.raises(CannotStartContainer, match="no such file"):
        await launch('exec: "nope": stat /nope: no such file or directory')


async def test_what_a_killed_agent_asked_for_late_is_taken_away() -> None:
    engine = Engine()
    parts = Parts(engine)
    launcher = Launcher(parts.containers, parts.snapshots, parts.endings)
    engine.there = {"Snapshots/Prepare", "Containers/Create"}
    await launcher.prepare_rootfs("a", "sha256:1")
    assert engine.there == {"Snapshots/Prepare"}, "made anew, and the record of before is gone"
    engine.there.add("Containers/Create")
    record = replace(RECORD, id="a")
    await launcher.store(record)
    await launcher.create(record)
    assert engine.there == {"Snapshots/Prepare", "Containers/Create"}, "the writable layer stays"
