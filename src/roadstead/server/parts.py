"""Everything a running server is made of, built in order and taken down in reverse."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.sealing import Sealer
from roadstead.audit.metrics import AuditMetrics
from roadstead.audit.trail import Trail
from roadstead.gateway.app import Gateway, Limits
from roadstead.gateway.dispatch import Dispatcher
from roadstead.gateway.forwarding import BadUpstream, forwarding_to
from roadstead.gateway.issuer_documents import IssuerDocuments
from roadstead.gateway.metrics import GatewayMetrics
from roadstead.kernel.clock import Clock, SystemClock
from roadstead.kernel.ids import directory_tag
from roadstead.kernel.settings import Deployment
from roadstead.registry import RegistryApp, open_backend
from roadstead.server.bootstrap import ensure_deployment, ensure_identities
from roadstead.server.errors import MISCONFIGURED, ServerFailed
from roadstead.server.health import Health
from roadstead.server.http import RelayKeys
from roadstead.server.links import AgentLinks
from roadstead.server.liveness import Liveness
from roadstead.server.opening import open_blobs, open_migrated, unlock
from roadstead.server.operations import BUILT
from roadstead.server.routing import Router
from roadstead.server.settings import ServerSettings
from roadstead.server.work import Seals, background_work
from roadstead.services.ecr.api import (
    PullRecorder,
    PullThrough,
    Registries,
    RegistryLimits,
    RegistryStorage,
    UpstreamClient,
    UpstreamRegistries,
)
from roadstead.services.ecs.payloads import Payloads
from roadstead.services.iam.api import IssuerClient, MfaCodes, Passwords, UseRecorder, issuer_client
from roadstead.services.sts.api import IssuerKeys, TaskSessions, TokenKeys
from roadstead.store import Store


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready to answer; `app` is its ASGI application."""

    app: Router
    store: Store
    deployment: Deployment
    links: AgentLinks
    relay_keys: RelayKeys


@contextlib.asynccontextmanager
async def running_server(
    settings: ServerSettings, *, clock: Clock | None = None, limits: Limits | None = None
) -> AsyncGenerator[Server]:
    """Open the store, migrate it, make what a new deployment needs, and run the background work while the context lasts.

    Leaving closes the links, stops the controllers, writes what was gathered and closes the store. Raises ServerFailed.
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
        token_keys = TokenKeys(store, master, seam)
        issuers = await stack.enter_async_context(issuer_client())
        uses = UseRecorder(store, seam)
        gatekeeper = Gatekeeper(sealer, master, seam, uses)
        blobs = await open_blobs(settings, store)
        stack.push_async_callback(blobs.close)
        storage = RegistryStorage(store, blobs, settings.gc_grace, limits=RegistryLimits(deployment.ecr_quotas))
        pulls = PullRecorder(store, seam)
        trail = await stack.enter_async_context(Trail(settings.trail()))
        registries = Registries(storage, gatekeeper, pulls, trail)
        pull_through = PullThrough(storage, UpstreamRegistries(deployment, UpstreamClient(seam), registries))
        stack.push_async_callback(pull_through.close)
        payloads = Payloads(deployment, TaskSessions(sealer, seam))
        metrics = CollectorRegistry()
        metrics.register(AuditMetrics(trail))
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
                PullThrough: pull_through,
                Payloads: payloads,
                Passwords: Passwords(store),
                MfaCodes: MfaCodes(store, master, seam),
                IssuerClient: issuers,
                IssuerKeys: IssuerKeys(issuers, seam),
                TokenKeys: token_keys,
            },
        )
        try:
            forwarding = await stack.enter_async_context(
                forwarding_to(
                    settings.upstreams,
                    store=store,
                    gatekeeper=gatekeeper,
                    clock=seam,
                    deployment=deployment,
                    built=BUILT,
                    idle=(limits or Limits()).idle,
                )
            )
        except BadUpstream as error:
            raise ServerFailed(str(error), MISCONFIGURED) from error
        alive = await stack.enter_async_context(Liveness(store, settings.name))
        await stack.enter_async_context(
            background_work(
                store,
                storage,
                (pulls.moments, pulls.activity, uses.moments),
                Seals(master, sealer),
                settings.name,
                seam,
            )
        )
        links = AgentLinks(store, gatekeeper, payloads, seam, alive.presence, trail)
        alive.links = links
        stack.push_async_callback(links.drain)
        layers = {"max_layer_bytes": storage.limits["LayerBytes"]}
        layers |= {"max_public_layer_bytes": storage.limits["PublicLayerBytes"]}
        backend = open_backend(storage, gatekeeper, pulls, pull_through, seam, **layers)
        health = Health(store, deployment.region)
        yield Server(
            app=Router(
                gateway=Gateway(dispatcher, GatewayMetrics(metrics), trail, limits, forwarding),
                registry=RegistryApp(
                    backend,
                    deployment,
                    seam,
                    trail,
                ),
                issuers=IssuerDocuments(store, token_keys, deployment.endpoint),
                links=links.edges,
                metrics=metrics,
                healthy=health.healthy,
                ready=health.ready,
                instance=directory_tag(str(deployment.data_dir)),
            ),
            store=store,
            deployment=deployment,
            links=links,
            relay_keys=master,
        )
