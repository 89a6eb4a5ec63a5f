"""The namespaces of this agent's tasks: waiting for their interfaces, making, freeing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from roadstead.agent.ecs.network import InterfaceWatch, NetworkPlan, TaskNetwork, add_interface, prepare, release
from roadstead.agent.ecs.network.task import holds_interface, is_prepared, prepare_isolated
from roadstead.agent.kernelnet import create_namespace

log = structlog.get_logger(__name__)


class TaskNetworks(Protocol):
    """How a task gets its network; tests put another in its place."""

    async def open(self, task_id: str) -> None:
        """The namespace alone, with nothing in it yet. Safe to repeat. Raises OSError."""
        ...

    async def make(self, task_id: str, link_address: str, plan: NetworkPlan | None) -> None:
        """The namespace, with every interface of the plan (None: loopback alone). Raises InterfaceTimeout, OSError."""
        ...

    async def free(self, task_id: str, link_address: str) -> None:
        """Nothing of it is left. Safe to repeat."""
        ...

    async def exists(self, task_id: str) -> bool:
        """Whether the task's namespace is there."""
        ...

    async def strays(self, known: frozenset[str]) -> None:
        """Free those of tasks that are not `known`, as far as that can be done."""
        ...

    def path(self, task_id: str) -> Path:
        """The file of the task's namespace."""
        ...


class KernelNetworks:
    """The real ones. `agent_namespace` is where interfaces appear; the tasks' own namespaces are bound to files of `directory`."""

    def __init__(
        self, directory: Path, agent_namespace: Path | None, watch: InterfaceWatch, interface_timeout: float
    ) -> None:
        self._directory = directory
        self._agent_namespace = agent_namespace
        self._watch = watch
        self._timeout = interface_timeout

    def path(self, task_id: str) -> Path:
        """`DIRECTORY/TASKID`."""
        return self._directory / task_id

    async def exists(self, task_id: str) -> bool:
        """Whether the namespace is there, its way to the credentials included."""
        return await asyncio.to_thread(is_prepared, self.path(task_id))

    async def open(self, task_id: str) -> None:
        """The namespace alone."""
        await asyncio.to_thread(create_namespace, self.path(task_id))

    async def make(self, task_id: str, link_address: str, plan: NetworkPlan | None) -> None:
        """Prepare the namespace while the interfaces are on their way, then move them in."""
        network = TaskNetwork(self.path(task_id), link_address)
        if plan is None:
            await asyncio.to_thread(prepare_isolated, network)
            return
        there = [await asyncio.to_thread(holds_interface, network, each.mac) for each in plan.interfaces]
        missing = [each.mac for each, present in zip(plan.interfaces, there, strict=True) if not present]
        preparing = asyncio.create_task(asyncio.to_thread(prepare, self._agent_namespace, network))
        try:
            for mac in missing:
                await self._watch.wait(mac, self._timeout)
        finally:
            await asyncio.wait([preparing])
        preparing.result()
        for position, each in enumerate(plan.interfaces):
            await asyncio.to_thread(add_interface, self._agent_namespace, network, each, default=position == 0)

    async def free(self, task_id: str, link_address: str) -> None:
        """Give the interfaces back and delete the namespace."""
        network = TaskNetwork(self.path(task_id), link_address)
        await asyncio.to_thread(release, self._agent_namespace, network)

    async def strays(self, known: frozenset[str]) -> None:
        """Free the namespaces of tasks that are not `known`."""
        for path in sorted(self._directory.iterdir()) if self._directory.exists() else ():
            if path.name in known:
                continue
            try:
                await self.free(path.name, "")
            except OSError as error:
                log.warning("the network of a task without a checkpoint stays", task_id=path.name, error=str(error))
