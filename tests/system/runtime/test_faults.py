"""What survives the death of containerd and of the agent, and what is left behind: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from examples.oci_image import ImageSpec, pack
from tests.support.containerd import mounts_with, poll, processes_with, running
from tests.support.fake_registry import TOKEN, FakeRegistry

from roadstead.agent.runtime import ContainerdUnavailable, ContainerState, Isolation, Runtime
from roadstead.agent.runtime.cgroups import Cgroups

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


async def test_containers_outlive_containerd_and_their_ends_are_told_later(bench: Any, isolation: Isolation) -> None:
    task = await bench.task(isolation)
    lasting = await bench.start(bench.spec(task, "while true; do echo tick; sleep 0.1; done"))
    script = "until [ -e /tmp/go ]; do sleep 0.05; done; echo bye; exit 6"
    ending = await bench.start(bench.spec(task, script.replace("/tmp/go", "/shared/go"), mounts=(_shared(bench),)))
    pid = (await bench.runtime.state(lasting.id)).pid

    bench.containerd.kill()
    (bench.directory / "shared" / "go").touch()
    await poll(lambda: "bye" in ending.output.stdout.read_text(), 10, "the container goes on without containerd")
    with pytest.raises(ContainerdUnavailable):
        await bench.runtime.list()
    bench.containerd.start()

    async with asyncio.timeout(60):
        end = await bench.exit_of(ending.id)
    assert (end.exit_code, end.lost) == (6, False)
    state = await bench.runtime.state(lasting.id)
    assert (state.state, state.pid) == (ContainerState.RUNNING, pid)
    before = lasting.output.stdout.stat().st_size
    await poll(lambda: lasting.output.stdout.stat().st_size > before, 10, "output goes on")
    await bench.runtime.stop(lasting.id, grace=1)


async def test_an_agent_that_starts_anew_hears_of_what_it_missed(bench: Any) -> None:
    task = await bench.task(Isolation.RUNC)
    first = await bench.start(bench.spec(task, "exit 11", labels={"family": "web"}))
    assert (await bench.exit_of(first.id)).exit_code == 11
    async with Runtime(bench.runtime.settings) as another:
        async for end in another.watch_exits():
            assert (end.id, end.exit_code, end.task_id) == (first.id, 11, task.id)
            break
        assert (await another.state(first.id)).labels == {"family": "web"}
        assert await another.task_ids() == {task.id}
        await another.remove_task(task.id)
        assert await another.list() == []


async def test_a_containerd_killed_in_the_middle_of_creation_leaves_nothing(bench: Any, isolation: Isolation) -> None:
    tasks = [await bench.task(isolation) for _ in range(3)]
    specs = [bench.spec(task, "sleep 600") for task in tasks]
    making = [asyncio.create_task(bench.start(spec)) for spec in specs]
    await poll(
        lambda: any(spec.id in text for spec in specs for text in processes_with(str(bench.directory)).values()),
        10,
        "a shim",
    )
    bench.containerd.kill()
    results = await asyncio.gather(*making, return_exceptions=True)
    assert any(isinstance(result, ContainerdUnavailable) for result in results)
    bench.containerd.start()
    await bench.runtime.ready()
    for task in tasks:
        await bench.runtime.remove_task(task.id)
    assert await bench.runtime.list() == []
    await poll(lambda: not _shims(bench.directory), 10, "no shim is left")
    end, _, _ = await bench.run(await bench.task(isolation), "exit 2")
    assert end.exit_code == 2


def _shims(directory: Path) -> list[str]:
    return [command for command in processes_with(str(directory)).values() if "containerd-shim" in command]


async def test_a_shim_that_containerd_never_reached_is_nobodys(
    bench: Any, isolation: Isolation, tmp_path: Path
) -> None:
    """As of an agent that was killed while containerd started it: what is made anew has a shim that answers."""
    task = await bench.task(isolation)
    spec = bench.spec(task, "exit 4")
    lost = _unreached_shim(bench, isolation, spec.id, tmp_path / "bundle")
    await bench.runtime.remove(spec.id)
    await bench.start(spec)
    assert (await bench.exit_of(spec.id)).exit_code == 4
    await poll(lambda: lost not in processes_with(str(bench.directory)), 10, "the shim is gone")


def _unreached_shim(bench: Any, isolation: Isolation, container_id: str, bundle: Path) -> int:
    """The pid of a shim that was started and whose log nobody reads: it listens, and serves nobody."""
    settings = bench.containerd.settings
    bundle.mkdir()
    (bundle / "config.json").write_text("{}")
    os.mkfifo(bundle / "log")
    program = settings.engines.runc_shim if isolation is Isolation.RUNC else settings.data / "containerd-shim-runsc-v1"
    options = {"-namespace": settings.namespace, "-address": str(settings.socket), "-id": container_id}
    words = [word for option in options.items() for word in option]
    started = subprocess.run(
        [program, *words, "-bundle", bundle, "start"],
        cwd=bundle,
        env={
            **settings.environment(os.environ),
            "TTRPC_ADDRESS": f"{settings.socket}.ttrpc",
            "GRPC_ADDRESS": str(settings.socket),
        },
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert "unix://" in started.stdout
    [pid] = [pid for pid, command in processes_with(str(bundle)).items() if container_id in command]
    return pid


def _in_the_way(directory: Path) -> Path:
    """The directory of the next snapshot, as a containerd leaves it that was killed before it had noted the snapshot."""
    [snapshots] = directory.rglob("io.containerd.snapshotter.v1.overlayfs/snapshots")
    last = max(int(each.name) for each in snapshots.iterdir() if each.name.isdecimal())
    left = snapshots / str(last + 1) / "fs" / "left"
    left.parent.mkdir(parents=True)
    left.touch()
    return left


async def test_a_layer_that_a_killed_containerd_left_is_in_no_containers_way(bench: Any, isolation: Isolation) -> None:
    task = await bench.task(isolation)
    left = _in_the_way(bench.directory)
    end, _, _ = await bench.run(task, "test ! -e /left && exit 4")
    assert end.exit_code == 4
    assert not left.exists()


async def test_a_layer_that_a_killed_containerd_left_is_in_no_images_way(bench: Any, tmp_path: Path) -> None:
    pack(tmp_path / "layout", ImageSpec(name="other", random_layers=(3000,)))
    left = _in_the_way(bench.directory)
    bench.image = await bench.runtime.ensure_image(bench.registry.reference("other"), TOKEN)
    assert not left.exists()
    end, _, _ = await bench.run(await bench.task(Isolation.RUNC), "test ! -e /left && exit 4")
    assert end.exit_code == 4


async def test_a_killed_shim_is_an_end(bench: Any) -> None:
    task = await bench.task(Isolation.RUNC)
    spec = await bench.start(bench.spec(task, "sleep 600"))
    shim = [pid for pid, command in processes_with(str(bench.directory)).items() if f"-id {spec.id}" in command]
    assert len(shim) == 1
    os.kill(shim[0], signal.SIGKILL)
    async with asyncio.timeout(30):
        assert (await bench.exit_of(spec.id)).exit_code != 0


async def test_a_containerd_that_hangs_does_not_hang_us(bench: Any) -> None:
    bench.containerd.process.send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(15):
            with pytest.raises(ContainerdUnavailable):
                await bench.runtime.state("x")
    finally:
        bench.containerd.process.send_signal(signal.SIGCONT)
    await bench.runtime.list()


async def test_nothing_is_left_behind(tmp_path: Path, registry: FakeRegistry) -> None:
    from tests.support.fake_registry import TOKEN

    async with running(tmp_path, registry.url) as (containerd, runtime):
        from tests.system.runtime.conftest import Bench

        image = await runtime.ensure_image(registry.reference("web"), TOKEN)
        bench = Bench(containerd, runtime, registry, image, tmp_path)
        for isolation in Isolation:
            task = await bench.task(isolation, memory_mib=256)
            await bench.start(bench.spec(task, "sleep 600"))
        own = _network_namespaces(processes_with(str(tmp_path))) - _network_namespaces([os.getpid()])
        assert own, "gVisor has a network namespace of its own"
        assert Cgroups(runtime.settings.tag).leftovers()
        tag = runtime.settings.tag
    assert processes_with(str(tmp_path)) == {}
    assert mounts_with(str(tmp_path)) == []
    assert Cgroups(tag).leftovers() == []
    everyone = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    assert not own & _network_namespaces(everyone), "network namespaces are gone"


def _shared(bench: Any) -> Any:
    from roadstead.agent.runtime import Mount

    (bench.directory / "shared").mkdir(exist_ok=True)
    return Mount(str(bench.directory / "shared"), "/shared")


def _network_namespaces(pids: Iterable[int]) -> set[str]:
    found: set[str] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{pid}/ns/net").readlink()))
    return found
