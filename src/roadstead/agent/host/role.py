"""The host role: the engine with the reconcilers of all kinds that this host knows."""

from __future__ import annotations

from pathlib import Path

from roadstead.agent.host.boot import boot_id
from roadstead.agent.host.network.gateway import Relay, ServerEndpoint
from roadstead.agent.host.network.interface import InterfaceReconciler
from roadstead.agent.host.network.kernel import Kernel
from roadstead.agent.host.network.names import POOL
from roadstead.agent.host.network.namespaces import RUN, NamespaceDirectory
from roadstead.agent.host.network.objects import Make, Namespace
from roadstead.agent.host.network.subnet import SubnetReconciler
from roadstead.agent.host.network.vpc import VpcReconciler
from roadstead.agent.host.reconcile.binding import Bound
from roadstead.agent.host.reconcile.engine import RESYNC_SECONDS, Engine, Frames
from roadstead.agent.host.reconcile.reporter import Report


class HostRole:
    """Carries out the watch stream on this host until it is cancelled. Needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN).

    `frames` opens the stream behind a revision and `report` sends statuses; both raise Disconnected or OSError while the server is
    away. What it made stays when it ends, whichever way: the next start adopts it, `cleanup.free_everything` frees it.
    The host's network namespace is the one of the thread that runs the event loop.
    """

    def __init__(
        self,
        *,
        tag: str,
        server_endpoint: ServerEndpoint,
        relay: Relay,
        frames: Frames,
        report: Report,
        run_dir: Path = RUN,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._directory = NamespaceDirectory(tag, run_dir)
        self._kernel = Kernel(tag, self._directory, server_endpoint, relay)
        self._engine = Engine(
            (
                Bound(VpcReconciler(self._kernel)),
                Bound(SubnetReconciler(self._kernel)),
                Bound(InterfaceReconciler(self._kernel)),
            ),
            frames=frames,
            report=report,
            boot_id=boot_id(),
            resync_seconds=resync_seconds,
        )

    def namespace_path(self, name: str) -> Path:
        """Where a namespace of this deployment is mounted: `pool`, or a VPC's id."""
        return self._directory.path(name)

    async def prepare(self) -> None:
        """Make the pool's namespace, or adopt it; `run` does so too, but others may need it before."""
        await self._kernel.carry_out(Make(Namespace(POOL)))

    async def run(self) -> None:
        """Work until cancelled; raises OSError when the host can't have namespaces."""
        try:
            await self.prepare()
            await self._engine.run()
        finally:
            await self._kernel.close()
