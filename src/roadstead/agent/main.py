"""The agent of a host: its host role, and the ecs role of the Fargate pool in the namespace that the host role keeps for it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from roadstead import __version__
from roadstead.agent.client import ApiClient, ApiError, FileCredentials, HostStream
from roadstead.agent.client.retry import LINKS
from roadstead.agent.control import control_socket
from roadstead.agent.ecs.role import EcsRole
from roadstead.agent.ecs.settings import EcsSettings
from roadstead.agent.host.boot import boot_id
from roadstead.agent.host.cleanup import free_everything
from roadstead.agent.host.network.gateway import Relay, ServerEndpoint
from roadstead.agent.host.network.names import POOL
from roadstead.agent.host.role import HostRole
from roadstead.agent.runtime import Runtime, RuntimeSettings
from roadstead.kernel.settings import GATEWAY_ADDRESS
from roadstead.wire.identity import AgentIdentity

log = structlog.get_logger(__name__)

POOL_CLUSTER = "fargate"
_POLL_SECONDS = 0.02
SWITCH_SECONDS = 0.0005
"""How long a thread that configures networks may keep the interpreter from the loop, for which a task that starts waits some thirty times."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What the agent of a data directory is told; `cpu_units` and `memory_mib` are what the host offers to the Fargate pool.

    `endpoint` is the URL of the API, `peers` those of further servers of the deployment, `region` the deployment's.
    """

    data_dir: Path
    run_dir: Path
    tag: str
    control: Path
    runtime: RuntimeSettings
    cpu_units: int
    memory_mib: int
    endpoint: str
    region: str
    fargate_runtime: str = "gvisor"
    peers: tuple[str, ...] = ()

    @property
    def identity(self) -> Path:
        """The agent's keys, and where the API is."""
        return self.data_dir / "agent.json"


async def run_agent(settings: AgentSettings) -> None:
    """Work until SIGTERM or SIGINT, which leave every container running. A drain over the control socket stops and frees everything."""
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    credentials = FileCredentials(settings.identity)
    identity = await _identity(credentials, stop)
    if identity is None:
        return
    client = ApiClient(settings.endpoint, settings.region, credentials, others=settings.peers)
    async with client as api, Runtime(settings.runtime) as runtime:
        agent = Agent(settings, api, runtime, identity)
        working = asyncio.create_task(agent.run(), name="roles")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            async with control_socket(settings.control, lambda: agent.drain(working)):
                await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
                if agent.drained:
                    await stopping
        finally:
            stopping.cancel()
            working.cancel()
            outcome = (await asyncio.gather(working, stopping, return_exceptions=True))[0]
        if isinstance(outcome, Exception):
            raise outcome


async def _identity(credentials: FileCredentials, stop: asyncio.Event) -> AgentIdentity | None:
    """Who this host is, once the server has written all of it down, which it does when it starts; None when told to stop before."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            identity = credentials.identity()
            if identity.relay_key:
                return identity
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await stop.wait()
                return None
        except TimeoutError:
            continue


class Agent:
    """Both roles of one host."""

    def __init__(self, settings: AgentSettings, api: ApiClient, runtime: Runtime, identity: AgentIdentity) -> None:
        self._settings = settings
        self._api = api
        self._stream = HostStream(api, identity.host_id)
        server = _address(settings.endpoint, *settings.peers)
        self._host = HostRole(
            tag=settings.tag,
            server_endpoint=server,
            relay=Relay(identity.host_id, bytes.fromhex(identity.relay_key)),
            frames=self._stream.frames,
            report=self._stream.report,
        )
        self._ecs = EcsRole(
            EcsSettings(
                data_dir=settings.data_dir / "agent",
                run_dir=settings.run_dir,
                cluster=POOL_CLUSTER,
                region=api.region,
                cpu_units=settings.cpu_units,
                memory_mib=settings.memory_mib,
                task_endpoint=f"http://{GATEWAY_ADDRESS}:{server.port}",
                namespace=self._host.namespace_path(POOL),
                host_id=identity.host_id,
                fargate_runtime=settings.fargate_runtime,
            ),
            api,
            runtime,
        )
        self.drained = False

    async def run(self) -> None:
        """Work until cancelled."""
        await self._host.prepare()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_host(), name="host role")
            group.create_task(self._ecs.run(), name="ecs role")

    async def drain(self, working: asyncio.Task[None]) -> None:
        """Stop every task, end the roles, and free all that they made in the kernel. Safe to repeat."""
        if not self.drained:
            await self._drain_while(working)
            self.drained = True
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await self._ecs.free()
        await asyncio.to_thread(free_everything, self._settings.tag)

    async def _drain_while(self, working: asyncio.Task[None]) -> None:
        """Drain as long as the roles work; raises what ended them."""
        draining = asyncio.create_task(self._ecs.drain(), name="drain")
        try:
            await asyncio.wait([draining, working], return_when=asyncio.FIRST_COMPLETED)
            if draining.done():
                return draining.result()
        finally:
            draining.cancel()
            await asyncio.gather(draining, return_exceptions=True)
        await working
        raise RuntimeError("the agent ended while it stopped its tasks")

    async def _run_host(self) -> None:
        await self._register_host()
        await self._host.run()

    async def _register_host(self) -> None:
        await self._api.reachable()
        attempt = 0
        while True:
            try:
                await self._stream.register(
                    hostname=socket.gethostname(),
                    cpu=self._settings.cpu_units,
                    memory=self._settings.memory_mib,
                    boot_id=boot_id(),
                    version=__version__,
                )
            except ApiError as error:
                log.info("host is not registered yet", error=str(error))
            else:
                return
            await asyncio.sleep(LINKS.delay(attempt))
            attempt += 1


def _address(endpoint: str, *others: str) -> ServerEndpoint:
    where = urlsplit(endpoint)
    port = where.port or (443 if where.scheme == "https" else 80)
    return ServerEndpoint(where.hostname or "127.0.0.1", port, tuple(_address(each) for each in others))
