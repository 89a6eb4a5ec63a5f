"""The end of a deployment on this host: tasks stopped in order, then nothing left in the kernel, whatever died before."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from roadstead.agent.control import DrainFailed, request_drain
from roadstead.agent.host.cleanup import free_everything
from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.agent.runtime.cleanup import mount_points, release
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.errors import RuntimeFault
from roadstead.agent.runtime.shims import kill_lost, running_shims
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import agent_socket, run_directory
from roadstead.engines.supervise import Supervisor, log_path
from roadstead.kernel.ids import directory_tag

DRAIN_SECONDS = 180.0
"""How long stopping all tasks may take: the longest stopTimeout on Fargate is two minutes."""

AGENT_SECONDS = 30.0
"""How long a dead agent is waited for, which the supervisor starts again."""


async def stop_and_free(data: Path, supervisor: Supervisor, settings: RuntimeSettings) -> None:
    """Stop all tasks with their stop timeouts, end every process and free everything; raises CommandFailed.

    Tasks whose agent can't stop them in order are killed: afterwards nothing is left in any case that can be freed.
    """
    problem = ""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await request_drain(agent_socket(data), patience=AGENT_SECONDS)
    except (DrainFailed, TimeoutError) as error:
        problem = str(error) or f"not done within {DRAIN_SECONDS:g} s"
    finally:
        await supervisor.stop()
    await asyncio.to_thread(free_host, data, settings)
    if problem:
        raise CommandFailed(
            f"tasks were killed, because they could not be stopped in order: {problem}; see {log_path(data, 'agent')}"
        )


def free_host(data: Path, settings: RuntimeSettings) -> None:
    """Kill what containers are left and remove all that the deployment has in this host's kernel and in /run; blocking.

    For when none of its processes runs any more; on the calling thread's network namespace. Raises CommandFailed.
    """
    try:
        kill_lost(running_shims(settings.socket), ())
        release(settings)
        free_everything(settings.tag)
        run = run_directory(data)
        if mounted := mount_points(run):
            raise CommandFailed(f"{mounted[0]} is still mounted")
        if run.exists():
            shutil.rmtree(run)
    except (OSError, RuntimeFault) as error:
        raise CommandFailed(f"not everything could be freed: {error}") from error


def left_behind(data: Path) -> bool:
    """Whether the host still holds something of this deployment."""
    return run_directory(data).exists() or bool(Cgroups(directory_tag(str(data))).leftovers())


def containers_run(settings: RuntimeSettings) -> bool:
    """Whether containers of this deployment run, their agent and containerd alive or not; blocking."""
    return bool(running_shims(settings.socket))
