"""A real containerd for system tests: in a temporary directory, with a tag of its own, and gone without a trace afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType

from roadstead.agent.runtime import EnginePaths, Runtime, RuntimeSettings, release, write_configuration
from roadstead.engines.catalog import Catalog

STOP_DEADLINE = 20.0
POLL = 0.02


async def engine_paths() -> EnginePaths:
    """The engines of this machine, installed if need be."""
    engines = await Catalog.load().ensure(["containerd", "runc", "gvisor", "pause"])
    return EnginePaths(
        containerd=engines["containerd"].path("containerd"),
        runc_shim=engines["containerd"].path("containerd-shim-runc-v2"),
        runc=engines["runc"].path("runc"),
        runsc=engines["gvisor"].path("runsc"),
        runsc_shim=engines["gvisor"].path("containerd-shim-runsc-v1"),
        pause=engines["pause"].path("pause"),
    )


async def poll(condition: Callable[[], bool], within: float, what: str) -> None:
    """Wait for a condition; fails with `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        await asyncio.sleep(POLL)


def processes_with(text: str) -> dict[int, str]:
    """Pid and command line of every process whose command line or working directory mentions `text`."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in command or text in str((entry / "cwd").readlink()):
                found[int(entry.name)] = command
    return found


def mounts_with(text: str) -> list[str]:
    """Mount points of this mount namespace that mention `text`."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if text in line]


class Containerd:
    """One containerd process; `kill` leaves its containers running, `stop` ends everything."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.log = settings.data / "containerd.log"

    def start(self) -> None:
        write_configuration(self.settings)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.settings.argv(),
                env=self.settings.environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after a deadline."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()

    async def remove_everything(self) -> None:
        """End every task, container and process of this deployment, by the agent's own means."""
        runtime = Runtime(self.settings)
        try:
            await runtime.connect()
            for task_id in await runtime.task_ids():
                await runtime.remove_task(task_id)
        finally:
            await runtime.close()
            self.stop()
            await asyncio.to_thread(release, self.settings)

    async def __aenter__(self) -> Containerd:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is None or self.process.poll() is not None:
            self.start()
        await self.remove_everything()


@asynccontextmanager
async def running(data: Path, registry: str) -> AsyncGenerator[tuple[Containerd, Runtime]]:
    """A containerd and a connected runtime below `data`, which pulls from `registry`."""
    settings = RuntimeSettings(
        data=data / "data", state=data / "state", engines=await engine_paths(), registry=registry
    )
    async with Containerd(settings) as containerd, Runtime(settings) as runtime:
        yield containerd, runtime
