"""gVisor's sandboxes are made before their network is there, and go at any point of their life."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from tests.support.containerd import poll, processes_with

from roadstead.agent.kernelnet import create_namespace, delete_namespace, in_namespace, open_route
from roadstead.agent.runtime import Isolation, Runtime, containers, endings, launch, sandboxes
from roadstead.agent.runtime.containers import Containers
from roadstead.agent.runtime.errors import ContainerdUnavailable
from roadstead.engines.subprocesses import run

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


@pytest.fixture
def namespace(tmp_path: Path) -> Generator[Path]:
    path = tmp_path / "netns"
    create_namespace(path)
    yield path
    delete_namespace(path)


def configure() -> None:
    with open_route() as route:
        route.link("add", ifname="eth0", kind="veth", peer="far0")
        route.link("set", ifname="far0", state="up")
        index = route.link_lookup(ifname="eth0")[0]
        route.addr("add", index=index, address="192.0.2.7", prefixlen=24)
        route.link("set", index=index, state="up")


def configure_again() -> None:
    with open_route() as route:
        route.link("del", index=route.link_lookup(ifname="far0")[0])
    configure()


async def test_addresses_that_come_after_the_sandbox_was_made_are_its_own(bench: Any, namespace: Path) -> None:
    task = await bench.task(Isolation.GVISOR, network_namespace=str(namespace))
    in_namespace(namespace, configure)
    _, out, _ = await bench.run(task, "ip addr show eth0")
    assert "192.0.2.7/24" in out


async def test_a_sandbox_that_was_never_started_is_removed(bench: Any, namespace: Path) -> None:
    task = await bench.task(Isolation.GVISOR, network_namespace=str(namespace))
    await bench.runtime.remove_task(task.id)
    assert await bench.runtime.task_ids() == set()


async def test_another_agent_starts_a_sandbox_that_the_first_made(bench: Any, namespace: Path) -> None:
    task = await bench.task(Isolation.GVISOR, network_namespace=str(namespace))
    in_namespace(namespace, configure)
    async with Runtime(bench.runtime.settings) as successor:
        await successor.create_task(task)
        spec = bench.spec(task, "sleep 60")
        await successor.create(spec)
        await successor.start(spec.id)
        await successor.remove_task(task.id)
        assert await successor.task_ids() == set()


async def test_a_sandbox_whose_shim_answers_and_kills_nothing_ends_with_it(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await bench.task(Isolation.GVISOR)
    await bench.start(bench.spec(task, "sleep 600"))

    async def answers(_containers: Containers, _container_id: str, _signal: int, **_options: object) -> bool:
        return True

    with monkeypatch.context() as patched:
        patched.setattr(Containers, "kill", answers)
        patched.setattr(endings, "KILL_SECONDS", 5.0)
        await bench.runtime.remove_task(task.id)
    assert await bench.runtime.task_ids() == set()
    assert [command for command in processes_with(str(bench.directory)).values() if task.id in command] == []


def processes_of_sandbox(task_id: str) -> list[int]:
    """The processes that are the task's sandbox: its kernel and what that one forked."""
    return [
        pid
        for pid, command in processes_with(sandboxes.sandbox_id(task_id)).items()
        if command.startswith("runsc-sandbox")
    ]


@pytest.mark.parametrize("started", [False, True])
async def test_a_sandbox_that_hangs_is_made_anew(
    bench: Any, namespace: Path, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    task = await bench.task(Isolation.GVISOR, network_namespace=str(namespace))
    in_namespace(namespace, configure)
    if started:
        first = bench.spec(task, "true")
        await bench.start(first)
        await bench.exit_of(first.id)
        await bench.runtime.remove(first.id)
    spec = bench.spec(task, "ip addr show eth0; sleep 60")
    await bench.runtime.create(spec)
    hung = processes_of_sandbox(task.id)
    assert hung
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as patched:
        patched.setattr(containers, "LONG_CALL", 2.0)
        patched.setattr(endings, "KILL_SECONDS", 2.0)
        with pytest.raises(ContainerdUnavailable):
            await bench.runtime.start(spec.id)

    async def prepare() -> None:
        in_namespace(namespace, configure_again)

    await bench.runtime.renew_sandbox(task.id, prepare)
    await bench.runtime.start(spec.id)
    await poll(lambda: "192.0.2.7/24" in spec.output.stdout.read_text(), 20, "the container's output")
    assert not set(hung) & set(processes_of_sandbox(task.id))


async def test_a_bundle_that_an_engine_held_on_to_is_taken_away(
    bench: Any, isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "CONTAINERDS_SECONDS", 0.3)
    task = await bench.task(isolation)
    spec = bench.spec(task, "echo here")
    rootfs = bench.runtime.settings.bundles / spec.id / "rootfs"
    rootfs.mkdir(parents=True)
    assert (await run(["mount", "-t", "tmpfs", "tmpfs", str(rootfs)])).status == 0
    await bench.start(spec)
    assert (await bench.exit_of(spec.id)).exit_code == 0
    assert "here" in spec.output.stdout.read_text()
