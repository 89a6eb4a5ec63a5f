"""Everything a running server is made of, built in order and taken down in reverse."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.sealing import Sealer
from roadstead.gateway.app import Gateway, Limits
from roadstead.gateway.dispatch import Dispatcher
from roadstead.gateway.metrics import GatewayMetrics
from roadstead.kernel.clock import Clock, SystemClock
from roadstead.kernel.ids import directory_tag
from roadstead.kernel.settings import Deployment
from roadstead.registry import RegistryApp, open_backend
from roadstead.server.bootstrap import ensure_deployment, ensure_identities
from roadstead.server.health import Health
from roadstead.server.links import AgentLinks
from roadstead.server.liveness import Liveness
from roadstead.server.opening import open_migrated, unlock
from roadstead.server.routing import Router
from roadstead.server.settings import ServerSettings
from roadstead.server.work import background_work
from roadstead.services.ecr.api import PullRecorder, RegistryStorage
from roadstead.services.ecs.payloads import Payloads
from roadstead.services.iam.api import Passwords, UseRecorder
from roadstead.services.sts.api import TaskSessions
from roadstead.store import Store
from roadstead.store.blobs import DiskBlobStore


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready to answer; `app` is its ASGI application."""

    app: Router
    store: Store
    deployment: Deployment
    links: AgentLinks


@contextlib.asynccontextmanager
async def running_server(
    settings: ServerSettings, *, clock: Clock | None = None, limits: Limits | None = None
) -> AsyncGenerator[Server]:
    """Open the store, migrate it, make what a new deployment needs, and run the background work while the context lasts.

    Leaving closes the links, stops the controllers, writes what recorders gathered and closes the store. Raises ServerFailed.
    """
    seam = clock or SystemClock()
    deployment = settings.deployment()
    for directory in (settings.data_dir, settings.state_dir):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(await open_migrated(settings, seam))
        master, sealer = await unlock(store, settings.master_key, seam)
        await ensure_identities(store, master, deployment, seam, shared=settings.shared)
        await ensure_deployment(store, deployment)
        gatekeeper = Gatekeeper(sealer, master, seam)
        blobs = DiskBlobStore(settings.state_dir / "blobs")
        stack.callback(blobs.close)
        storage = RegistryStorage(store, blobs)
        pulls = PullRecorder(store, seam)
        uses = UseRecorder(store, seam)
        payloads = Payloads(deployment, TaskSessions(sealer, seam))
        metrics = CollectorRegistry()
        dispatcher = Dispatcher(
            store=store,
            gatekeeper=gatekeeper,
            deployment=deployment,
            clock=seam,
            components={
                Gatekeeper: gatekeeper,
                Sealer: sealer,
                RegistryStorage: storage,
                PullRecorder: pulls,
                Payloads: payloads,
                Passwords: Passwords(store),
                UseRecorder: uses,
            },
        )
        alive = await stack.enter_async_context(Liveness(store, settings.name))
        await stack.enter_async_context(background_work(store, storage, (pulls, uses), settings.name, seam))
        links = AgentLinks(store, gatekeeper, payloads, seam, alive.presence)
        alive.reconnect = links.reconnect
        stack.push_async_callback(links.drain)
        health = Health(store, deployment.region)
        yield Server(
            app=Router(
                gateway=Gateway(dispatcher, GatewayMetrics(metrics), limits),
                registry=RegistryApp(open_backend(storage, gatekeeper, pulls, seam), deployment, seam),
                links=links.edges,
                metrics=metrics,
                healthy=health.healthy,
                ready=health.ready,
                instance=directory_tag(str(deployment.data_dir)),
            ),
            store=store,
            deployment=deployment,
            links=links,
        )
