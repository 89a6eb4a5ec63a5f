"""The processes of `roadstead up`, as the supervisor needs them: containerd, guard, server, agent."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from roadstead import __version__
from roadstead.agent.ecs.logs.bound import guard_argv
from roadstead.agent.runtime.config import EnginePaths, RuntimeSettings
from roadstead.cli import settings_file
from roadstead.cli.agent_health import AgentHealth
from roadstead.cli.answers import api_answers, pool_takes_tasks
from roadstead.cli.settings import Config, agent_socket, run_directory
from roadstead.engines.cache import InstalledEngine
from roadstead.engines.supervise import ProcessSpec, UnixSocketCheck
from roadstead.kernel.ids import directory_tag

ENGINES = ("containerd", "runc", "nftables", "pause")
GVISOR = "gvisor"
CONTAINERD, GUARD, SERVER, AGENT = "containerd", "guard", "server", "agent"


def needed_engines(config: Config) -> list[str]:
    """The engines that a deployment with these settings runs on."""
    return [*ENGINES, *((GVISOR,) if config.fargate_runtime == "gvisor" else ())]


def runtime_settings(data: Path, config: Config, engines: Mapping[str, InstalledEngine]) -> RuntimeSettings:
    """Where the deployment's containerd lives and what it runs."""
    gvisor = engines.get(GVISOR)
    return RuntimeSettings(
        data=data / "containerd",
        state=run_directory(data) / "containerd",
        tag=directory_tag(str(data)),
        registry=config.endpoint,
        mirrors=config.peers,
        engines=EnginePaths(
            containerd=engines["containerd"].path("containerd"),
            runc_shim=engines["containerd"].path("containerd-shim-runc-v2"),
            runc=engines["runc"].path("runc"),
            runsc=gvisor.path("runsc") if gvisor else None,
            runsc_shim=gvisor.path("containerd-shim-runsc-v1") if gvisor else None,
            pause=engines["pause"].path("pause"),
        ),
    )


def specs(data: Path, config: Config, settings: RuntimeSettings) -> list[ProcessSpec]:
    """The processes, in the order of their needs.

    The guard bounds the output of containers while no agent runs. The agent is ready when the Fargate pool takes tasks; from then on
    it is asked itself: it stays when the server is away, and connects again.
    """
    program = (sys.executable, "-m", "roadstead")
    return [
        ProcessSpec(
            name=CONTAINERD,
            argv=settings.argv(),
            environment={"PATH": settings.environment(os.environ)["PATH"]},
            check=UnixSocketCheck(settings.socket),
            ready_within=60.0,
        ),
        ProcessSpec(name=GUARD, argv=guard_argv(data / "agent" / "output")),
        ProcessSpec(
            name=SERVER,
            argv=(*program, "server", "--data", str(data)),
            revision=f"{__version__} {config} {settings_file.revision(data, config)}",
            check=api_answers(data, config),
            ready_within=30.0,
            stop_timeout=15.0,
        ),
        ProcessSpec(
            name=AGENT,
            argv=(*program, "agent", "--data", str(data)),
            revision=f"{__version__} {config}",
            depends_on=(CONTAINERD, SERVER),
            patient=True,
            check=pool_takes_tasks(data, config),
            health=AgentHealth(data, config),
            ready_within=60.0,
            stop_timeout=15.0,
        ),
    ]


def without_server(data: Path, wanted: list[ProcessSpec]) -> list[ProcessSpec]:
    """The processes that stopping tasks needs: the agent is ready when it can be asked to."""
    listens = UnixSocketCheck(agent_socket(data))
    others = [spec for spec in wanted if spec.name not in (SERVER, AGENT)]
    agents = [spec for spec in wanted if spec.name == AGENT]
    return [*others, *(replace(agent, depends_on=(CONTAINERD,), check=listens) for agent in agents)]
