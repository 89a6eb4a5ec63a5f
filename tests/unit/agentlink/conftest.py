"""A server and an agent in one process, over real sockets; only containers and namespaces are played."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from tests.support.played_agent import CLOCK, FAST, PlayedAgent, play_host
from tests.support.ports import free_port
from tests.support.trail import no_trail
from tests.unit.agentlink.helpers import connected, eventually, left

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.master_key import MasterKey
from roadstead.access.sealing import Sealer
from roadstead.agent.client import ApiClient, FileCredentials, FixedCredentials, HostStream
from roadstead.agent.client.credentials import Credentials
from roadstead.agentlink.acs import AcsEdge
from roadstead.agentlink.acs_session import AcsTimers
from roadstead.agentlink.handshake import Door, gate_of
from roadstead.agentlink.hosts import HostEdge
from roadstead.agentlink.presence import Presence
from roadstead.agentlink.tcs import TcsEdge
from roadstead.gateway.app import Gateway
from roadstead.gateway.dispatch import Dispatcher
from roadstead.gateway.metrics import GatewayMetrics
from roadstead.kernel.settings import Deployment
from roadstead.server.bootstrap import ensure_deployment, ensure_identities
from roadstead.server.operations import DECLARED
from roadstead.services.ecs.payloads import Payloads
from roadstead.services.sts.api import TaskSessions
from roadstead.store import Store, metadata, open_store

assert DECLARED, "every operation is declared by importing them"


@dataclass
class LiveServer:
    """The server's edges behind one port; may be stopped and started again on the same store."""

    store: Store
    deployment: Deployment
    gatekeeper: Gatekeeper
    payloads: Payloads
    acs: AcsEdge
    tcs: TcsEdge
    hosts: HostEdge
    gateway: Gateway
    timers: AcsTimers
    _server: uvicorn.Server | None = None
    _serving: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> str:
        return self.deployment.endpoint

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self.gateway(scope, receive, send)
        elif scope["path"] == "/ws":
            await self.acs(scope, receive, send)
        elif scope["path"] == "/tcs/ws":
            await self.tcs(scope, receive, send)
        else:
            await self.hosts(scope, receive, send)

    async def start(self) -> None:
        door = Door(self.store, gate_of(self.gatekeeper), no_trail())
        self.acs = AcsEdge(self.store, door, self.payloads, CLOCK, server=Presence("s"), timers=self.timers)
        self.tcs = TcsEdge(self.store, door)
        self.hosts = HostEdge(self.store, door, server=Presence("s"))
        config = uvicorn.Config(
            self, host="127.0.0.1", port=self.deployment.port, ws="websockets-sansio", lifespan="off", log_config=None
        )
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._serving = asyncio.create_task(self._server._serve())
        while not self._server.started:
            await asyncio.sleep(0.005)
            assert not self._serving.done(), self._serving

    async def stop(self) -> None:
        if self._server is None or self._serving is None:
            return
        for edge in (self.acs.links, self.tcs, self.hosts.links):
            await edge.drain()
        self._server.should_exit = True
        await self._serving
        self._server = None


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    deployment = Deployment(data_dir=tmp_path, port=free_port())
    master = MasterKey.load_or_create(tmp_path / "master.key")
    async with await open_store(f"sqlite:///{tmp_path / 'roadstead.db'}") as store:
        await store.create_all(metadata)
        sealer = await Sealer.load(store, master, CLOCK)
        await ensure_identities(store, master, deployment, CLOCK)
        await ensure_deployment(store, deployment)
        gatekeeper = Gatekeeper(sealer, master, CLOCK)
        payloads = Payloads(deployment, TaskSessions(sealer, CLOCK))
        dispatcher = Dispatcher(
            store=store,
            gatekeeper=gatekeeper,
            deployment=deployment,
            clock=CLOCK,
            components={
                Gatekeeper: gatekeeper,
                Sealer: sealer,
                Payloads: payloads,
            },
        )
        door = Door(store, gate_of(gatekeeper), no_trail())
        live = LiveServer(
            store,
            deployment,
            gatekeeper,
            payloads,
            AcsEdge(store, door, payloads, CLOCK, server=Presence("s")),
            TcsEdge(store, door),
            HostEdge(store, door, server=Presence("s")),
            Gateway(dispatcher, GatewayMetrics(CollectorRegistry()), no_trail()),
            AcsTimers(heartbeat=0.2, resend=0.5, credentials=0.3),
        )
        await live.start()
        yield live
        await live.stop()


@dataclass
class LiveAgent(PlayedAgent):
    """An agent of `server`."""

    server: LiveServer = field(kw_only=True)


@pytest.fixture
async def agent(server: LiveServer, tmp_path: Path) -> AsyncIterator[LiveAgent]:
    source = FileCredentials(tmp_path / "agent.json")
    async with ApiClient(server.endpoint, "us-east-1", source, backoff=FAST) as api:
        stream = HostStream(api, source.identity().host_id)
        await stream.register(hostname="h", cpu=4096, memory=8192, boot_id="b", version="1")
        host = asyncio.create_task(play_host(stream))
        live = LiveAgent(source.identity().host_id, tmp_path, api, server=server)
        await live.start()
        yield live
        assert live.failure() is None
        await live.kill()
        host.cancel()
        await asyncio.gather(host, return_exceptions=True)


@pytest.fixture
async def instance(agent: LiveAgent) -> str:
    """A registered container instance whose own agent is not there: its link came and went, also for the store."""
    await eventually(lambda: connected(agent), "the agent is connected")
    await agent.kill()
    await left(agent)
    return agent.registration.arn


@pytest.fixture
async def admin(server: LiveServer, tmp_path: Path) -> AsyncIterator[ApiClient]:
    known = json.loads((tmp_path / "credentials.json").read_text())
    keys = FixedCredentials(Credentials(known["accessKeyId"], known["secretAccessKey"]))
    async with ApiClient(server.endpoint, "us-east-1", keys, backoff=FAST) as api:
        yield api
