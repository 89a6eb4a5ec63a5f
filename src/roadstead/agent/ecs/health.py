"""Running containers' health checks again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import structlog

from roadstead.agent.ecs.ports import ContainerRuntime
from roadstead.agent.ecs.records import ContainerRecord
from roadstead.agent.runtime.errors import ContainerdUnavailable, NotFound, RuntimeFault
from roadstead.agent.runtime.model import ExecSpec, Output
from roadstead.core.taskengine.health import HealthRule, HealthState, fold
from roadstead.kernel.clock import Clock

log = structlog.get_logger(__name__)
_OUTPUT_LIMIT = 4096


class Monitors:
    """The checks of one task's containers; whoever makes it cancels what is `running`. `changed` follows a change of a record."""

    def __init__(self, runtime: ContainerRuntime, clock: Clock, changed: Callable[[], object]) -> None:
        self._runtime = runtime
        self._clock = clock
        self._changed = changed
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, container: ContainerRecord, rule: HealthRule, scratch: Path) -> None:
        """Check a container from now on, unless that is done already; its record follows what the checks say."""
        if container.name not in self._tasks:
            work = self._follow(container, rule, scratch)
            self._tasks[container.name] = asyncio.create_task(work, name=f"health {container.runtime_id}")

    def end(self, name: str) -> None:
        """Check a container no more."""
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    def running(self) -> tuple[asyncio.Task[None], ...]:
        """What is under way."""
        return tuple(self._tasks.values())

    async def _follow(self, container: ContainerRecord, rule: HealthRule, scratch: Path) -> None:
        def changed(state: HealthState) -> None:
            container.health = state
            self._changed()

        try:
            await monitor(self._runtime, self._clock, container.runtime_id, rule, container.health, scratch, changed)
        except Exception:
            log.exception("health checks ended", container=container.runtime_id)


async def monitor(
    runtime: ContainerRuntime,
    clock: Clock,
    container_id: str,
    rule: HealthRule,
    state: HealthState,
    scratch: Path,
    changed: Callable[[HealthState], None],
) -> None:
    """Probe every `rule.interval` seconds until cancelled or the container is gone; `changed` hears of each new status."""
    started = clock.monotonic()
    while True:
        await asyncio.sleep(rule.interval)
        try:
            passed, output = await _probe(runtime, container_id, rule, scratch)
        except ContainerdUnavailable as error:
            log.info("health check not run", container=container_id, error=str(error))
            continue
        except NotFound:
            return
        after, now = clock.monotonic() - started, clock.now().timestamp()
        new = fold(rule, state, passed=passed, output=output, after=after, now=now)
        if new.status is not state.status:
            changed(new)
        state = new


async def _probe(runtime: ContainerRuntime, container_id: str, rule: HealthRule, scratch: Path) -> tuple[bool, str]:
    identity = f"health-{uuid4().hex[:12]}"
    files = Output(scratch / f"{identity}.out", scratch / f"{identity}.err")
    try:
        await runtime.exec(container_id, ExecSpec(id=identity, args=rule.command, output=files))
        code = await runtime.exec_wait(container_id, identity, rule.timeout)
        if code is None:
            await runtime.exec_kill(container_id, identity)
            await runtime.exec_wait(container_id, identity, 5.0)
            return False, f"Health check exceeded timeout ({rule.timeout:g}s)"
        return code == 0, _read(files)
    except (ContainerdUnavailable, NotFound):
        raise
    except RuntimeFault as error:
        return False, str(error)
    finally:
        files.stdout.unlink(missing_ok=True)
        files.stderr.unlink(missing_ok=True)


def _read(files: Output) -> str:
    parts: list[str] = []
    for path in (files.stdout, files.stderr):
        if path.exists():
            with path.open("rb") as file:
                parts.append(file.read(_OUTPUT_LIMIT).decode(errors="replace"))
    return "".join(parts)
