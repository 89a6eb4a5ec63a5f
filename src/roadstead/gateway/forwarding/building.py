"""The forwarding of a server, from its settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection, Iterable

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.gateway.forwarding.admission import Admission
from roadstead.gateway.forwarding.client import UpstreamClient
from roadstead.gateway.forwarding.edge import Forwarding
from roadstead.gateway.forwarding.modeled import ModeledForwarding
from roadstead.gateway.forwarding.passing import Passing
from roadstead.gateway.forwarding.s3 import S3Forwarding
from roadstead.gateway.forwarding.settings import UpstreamSettings
from roadstead.gateway.forwarding.upstreams import open_upstreams
from roadstead.kernel.clock import Clock
from roadstead.kernel.settings import Deployment
from roadstead.store import Store


@contextlib.asynccontextmanager
async def forwarding_to(
    settings: Iterable[UpstreamSettings],
    *,
    store: Store,
    gatekeeper: Gatekeeper,
    clock: Clock,
    deployment: Deployment,
    built: Collection[str],
    idle: float,
) -> AsyncGenerator[Forwarding | None]:
    """The forwarding while the context lasts, None without upstreams; raises BadUpstream.

    `built` are the services that have operations here; `idle` is for how many seconds a client may be silent.
    """
    named = tuple(settings)
    if not named:
        yield None
        return
    upstreams = await asyncio.to_thread(open_upstreams, named, deployment, built)
    admission = Admission(store, gatekeeper, upstreams)
    async with UpstreamClient(upstreams) as client:
        passing = Passing(client, gatekeeper, clock)
        yield Forwarding(
            upstreams,
            S3Forwarding(admission, passing, idle),
            ModeledForwarding(upstreams, admission, passing, idle),
        )
