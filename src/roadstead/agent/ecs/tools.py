"""What carries out the steps of tasks: one set for all tasks of an agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roadstead.agent.client import ApiClient
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.output import OutputSink
from roadstead.agent.ecs.ports import ContainerRuntime
from roadstead.agent.ecs.records import RecordStore
from roadstead.agent.ecs.registry_auth import RegistryAuthenticator
from roadstead.agent.ecs.settings import EcsSettings
from roadstead.agent.ecs.task_network import TaskNetworks
from roadstead.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Tools:
    """Collaborators of every task."""

    settings: EcsSettings
    clock: Clock
    api: ApiClient
    runtime: ContainerRuntime
    networks: TaskNetworks
    registry: RegistryAuthenticator
    output: OutputSink
    credentials: CredentialStore
    records: RecordStore
    fargate_runtime: Callable[[], str]
    """How FARGATE tasks run now: `gvisor` or `runc`."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now().timestamp()
