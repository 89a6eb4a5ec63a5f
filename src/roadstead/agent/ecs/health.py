"""Running a container's health check again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import structlog

from roadstead.agent.ecs.ports import ContainerRuntime
from roadstead.agent.runtime.errors import ContainerdUnavailable, NotFound, RuntimeFault
from roadstead.agent.runtime.model import ExecSpec, Output
from roadstead.core.taskengine.health import HealthRule, HealthState, fold
from roadstead.kernel.clock import Clock

log = structlog.get_logger(__name__)
_OUTPUT_LIMIT = 4096


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
