"""Composes the agent of a data directory: engines, capacity of the host, settings."""

from __future__ import annotations

import os
from pathlib import Path

from roadstead.agent.main import AgentSettings, run_agent
from roadstead.cli.failure import CommandFailed
from roadstead.cli.processes import needed_engines, runtime_settings
from roadstead.cli.settings import NotUpYet, agent_socket, read_config, run_directory
from roadstead.engines.catalog import Catalog
from roadstead.engines.errors import EngineError
from roadstead.kernel.ids import directory_tag

CPU_UNITS_A_CORE = 1024
RESERVED_MIB = 512
"""Memory that the host keeps for itself."""


def host_capacity() -> tuple[int, int]:
    """CPU units and MiB that this host offers to the Fargate pool."""
    mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    return len(os.sched_getaffinity(0)) * CPU_UNITS_A_CORE, max(mib - RESERVED_MIB, RESERVED_MIB)


async def run(data: Path) -> None:
    """Run the agent until it is told to stop."""
    try:
        config = read_config(data)
        engines = await Catalog.load().ensure(needed_engines(config))
    except (NotUpYet, EngineError) as error:
        raise CommandFailed(str(error)) from error
    run_dir = run_directory(data)
    run_dir.mkdir(mode=0o700, exist_ok=True)
    cpu, memory = host_capacity()
    await run_agent(
        AgentSettings(
            data_dir=data,
            run_dir=run_dir,
            tag=directory_tag(str(data)),
            control=agent_socket(data),
            runtime=runtime_settings(data, config, engines),
            cpu_units=cpu,
            memory_mib=memory,
            endpoint=config.endpoint,
            region=config.region,
            fargate_runtime=config.fargate_runtime,
            peers=config.peers,
        )
    )
