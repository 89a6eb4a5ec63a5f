from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from examples.oci_image import ImageSpec, pack
from tests.support.containerd import Containerd, running
from tests.support.fake_registry import TOKEN, FakeRegistry, serve

from roadstead.agent.runtime import ContainerExit, ContainerSpec, Image, Isolation, Output, Runtime, TaskSpec
from roadstead.kernel.ids import directory_tag

EXIT_DEADLINE = 60.0


@dataclass
class Bench:
    """One containerd with an image in it, and short ways to run things there."""

    containerd: Containerd
    runtime: Runtime
    registry: FakeRegistry
    image: Image
    directory: Path
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def task(self, isolation: Isolation, **limits: int | bool | str) -> TaskSpec:
        task = TaskSpec(id=f"task{next(self.numbers)}", isolation=isolation, **limits)  # pyright: ignore[reportArgumentType]
        await self.runtime.create_task(task)
        return task

    def spec(self, task: TaskSpec, script: str, **rest: object) -> ContainerSpec:
        name = f"{task.id}-c{next(self.numbers)}"
        output = Output(self.directory / "output" / name / "stdout", self.directory / "output" / name / "stderr")
        values: dict[str, object] = {"command": ("sh", "-c", script), **rest}
        return ContainerSpec(id=name, task_id=task.id, image=self.image, output=output, **values)  # pyright: ignore[reportArgumentType]

    async def start(self, spec: ContainerSpec) -> ContainerSpec:
        await self.runtime.create(spec)
        await self.runtime.start(spec.id)
        return spec

    async def run(self, task: TaskSpec, script: str, **rest: object) -> tuple[ContainerExit, str, str]:
        """Run a script to its end: its exit, standard output and standard error."""
        spec = await self.start(self.spec(task, script, **rest))
        end = await self.exit_of(spec.id)
        await self.runtime.remove(spec.id)
        return end, spec.output.stdout.read_text(), spec.output.stderr.read_text()

    async def exit_of(self, container_id: str) -> ContainerExit:
        async with asyncio.timeout(EXIT_DEADLINE):
            async for end in self.runtime.watch_exits():
                if end.id == container_id:
                    return end
        raise AssertionError("the stream of ends never ends")


@pytest.fixture
def registry(tmp_path: Path) -> Generator[FakeRegistry]:
    pack(tmp_path / "layout", ImageSpec(name="web"))
    with serve(tmp_path / "layout") as registry:
        yield registry


@pytest.fixture
async def bench(tmp_path: Path, registry: FakeRegistry) -> AsyncGenerator[Bench]:
    async with running(tmp_path, registry.url) as (containerd, runtime):
        image = await runtime.ensure_image(registry.reference("web"), TOKEN)
        yield Bench(containerd, runtime, registry, image, tmp_path)


@pytest.fixture(params=[Isolation.RUNC, Isolation.GVISOR], ids=["runc", "gvisor"])
def isolation(request: pytest.FixtureRequest) -> Isolation:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def network_namespace(tmp_path: Path) -> Generator[str]:
    """A network namespace with nothing but its loopback interface, up."""
    name = f"rt-{directory_tag(str(tmp_path))}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
