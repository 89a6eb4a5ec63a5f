"""The namespaces that the role works in, each with its worker; and the driver that makes and frees them."""

from __future__ import annotations

import asyncio
import os

from roadstead.agent.host.network.kernel.driver import Lane
from roadstead.agent.host.network.namespaces import NamespaceDirectory
from roadstead.agent.host.network.objects import HOST, Namespace, Presence
from roadstead.agent.host.network.worker import Inside, NamespaceWorker

_LOOPBACK = "lo"


class NamespacePlaces:
    """Workers by namespace, started when first needed."""

    def __init__(self, directory: NamespaceDirectory) -> None:
        self._directory = directory
        self._workers: dict[tuple[str, Lane], tuple[int, NamespaceWorker]] = {}

    def exists(self, namespace: str) -> bool:
        """Whether the namespace is there."""
        return namespace == HOST or self._directory.exists(namespace)

    def at(self, namespace: str, lane: Lane = Lane.QUICK) -> NamespaceWorker:
        """The worker of a lane inside a namespace."""
        identity = self.identity(namespace)
        known = self._workers.get((namespace, lane))
        if known is not None:
            former, worker = known
            if former == identity:
                return worker
            worker.retire()
        path = None if namespace == HOST else self._directory.path(namespace)
        worker = NamespaceWorker(path, f"{namespace or 'host'}-{lane.value}")
        self._workers[namespace, lane] = (identity, worker)
        return worker

    def identity(self, namespace: str) -> int:
        """A number that is another one when the namespace was made anew; 0 for the host and when it isn't there."""
        if namespace == HOST or not self._directory.exists(namespace):
            return 0
        return self._directory.identity(namespace)

    def open(self, namespace: str) -> int:
        """A descriptor of the namespace, for the caller to close; raises OSError."""
        return os.open(self._directory.path(namespace), os.O_RDONLY | os.O_CLOEXEC)

    async def create(self, namespace: str) -> None:
        """Make it unless it is there."""
        await asyncio.to_thread(self._directory.create, namespace)

    async def delete(self, namespace: str) -> None:
        """Free it; its workers end first, because a thread inside would keep it alive."""
        for lane in Lane:
            known = self._workers.pop((namespace, lane), None)
            if known is not None:
                await known[1].close()
        await asyncio.to_thread(self._directory.delete, namespace)

    async def close(self) -> None:
        """End the workers; the namespaces stay."""
        workers = list(self._workers.values())
        self._workers.clear()
        for _, worker in workers:
            await worker.close()


class NamespaceDriver:
    """Namespaces with their loopback up."""

    def __init__(self, places: NamespacePlaces) -> None:
        self._places = places

    async def presence(self, thing: Namespace) -> Presence:
        """Partial while the loopback is down."""
        if not self._places.exists(thing.name):
            return Presence.ABSENT
        loopback = await self._places.at(thing.name).run(lambda inside: inside.netlink.link(_LOOPBACK))
        return Presence.FITS if loopback is not None and loopback.up else Presence.PARTIAL

    async def make(self, thing: Namespace) -> None:
        """Make it and bring its loopback up."""
        await self._places.create(thing.name)
        await self._places.at(thing.name).run(_loopback_up)

    async def remove(self, thing: Namespace) -> None:
        """Free it."""
        await self._places.delete(thing.name)


def _loopback_up(inside: Inside) -> None:
    inside.netlink.set_link(_LOOPBACK, up=True)
