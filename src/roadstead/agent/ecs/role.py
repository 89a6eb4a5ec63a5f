"""The ecs role: one container instance, from registration to telemetry."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from roadstead.agent.client import ApiClient, ApiError
from roadstead.agent.client.retry import LINKS
from roadstead.agent.ecs.acs_link import AcsLink
from roadstead.agent.ecs.awslogs import AwsLogs
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.engine import Engine
from roadstead.agent.ecs.identity import IdentityFile
from roadstead.agent.ecs.logs.shipper import Shipper
from roadstead.agent.ecs.metadata import MetadataServer
from roadstead.agent.ecs.network import InterfaceWatch
from roadstead.agent.ecs.network.task import prepare_agent_namespace, release_agent_namespace
from roadstead.agent.ecs.ports import MeasuredRuntime
from roadstead.agent.ecs.reconnecting import InstanceGone
from roadstead.agent.ecs.records import RecordStore
from roadstead.agent.ecs.registration import Registration
from roadstead.agent.ecs.registry_auth import RegistryAuthenticator
from roadstead.agent.ecs.settings import EcsSettings
from roadstead.agent.ecs.task_network import KernelNetworks
from roadstead.agent.ecs.tcs_link import TcsLink
from roadstead.agent.ecs.telemetry import Sampler
from roadstead.agent.ecs.tools import Tools
from roadstead.kernel.clock import Clock, SystemClock

log = structlog.get_logger(__name__)


class EcsRole:
    """Needs root. `run` works until cancelled and leaves containers running; the next start finds them.

    `api` is open; `runtime` is connected. The namespace of the settings exists already.
    """

    def __init__(
        self, settings: EcsSettings, api: ApiClient, runtime: MeasuredRuntime, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._api = api
        self._runtime = runtime
        self._clock = clock or SystemClock()
        self._identity = IdentityFile(settings.data_dir / "instance.json")
        self._registration = Registration(api, settings, self._identity)
        self._engine: Engine | None = None
        self._registered = asyncio.Event()
        self._working = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        settings = self._settings
        await asyncio.to_thread(prepare_agent_namespace, settings.namespace)
        credentials = CredentialStore()
        output = AwsLogs(self._api, credentials, Shipper(settings.output))
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(output.aclose)
            watch = await stack.enter_async_context(InterfaceWatch(settings.namespace))
            networks = KernelNetworks(settings.namespaces, settings.namespace, watch, settings.interface_timeout)
            tools = Tools(
                settings=settings,
                clock=self._clock,
                api=self._api,
                runtime=self._runtime,
                networks=networks,
                registry=RegistryAuthenticator(self._api, credentials, self._clock),
                output=output,
                credentials=credentials,
                records=RecordStore(settings.records),
                fargate_runtime=lambda: self._registration.fargate_runtime,
            )
            engine = self._engine = Engine(tools)
            self._working.set()
            metadata = MetadataServer(settings.namespace, settings.metadata_address, engine.records, credentials)
            await stack.enter_async_context(metadata)
            async with asyncio.TaskGroup() as group:
                group.create_task(engine.run(), name="task engine")
                group.create_task(self._adopt_output(engine, output), name="old output")
                group.create_task(self._stay_registered(engine), name="registration")

    async def registered(self) -> None:
        """Wait until the control plane knows this instance."""
        await self._registered.wait()

    async def drain(self, tell_within: float = 10.0) -> None:
        """Stop every task with its stop timeouts, free what it held and tell the control plane, while `run` works.

        A control plane that is away is waited for `tell_within` seconds; it hears of the rest after the next start.
        """
        await self._working.wait()
        assert self._engine is not None
        await self._engine.drain(tell_within)

    async def free(self) -> None:
        """After `drain` and the end of `run`: take away what the role made in the agent's namespace."""
        await asyncio.to_thread(release_agent_namespace, self._settings.namespace)
        with contextlib.suppress(FileNotFoundError):
            self._settings.namespaces.rmdir()

    async def _adopt_output(self, engine: Engine, output: AwsLogs) -> None:
        await engine.ready()
        output.adopt(engine.all_records())

    async def _stay_registered(self, engine: Engine) -> None:
        while True:
            await self._register()
            self._registered.set()
            try:
                await self._serve(engine)
            except* InstanceGone as gone:
                log.warning("the container instance is gone; registering anew", reason=str(gone.exceptions[0]))
                self._registered.clear()
                self._registration.forget()

    async def _serve(self, engine: Engine) -> None:
        async with asyncio.TaskGroup() as group:
            acs = AcsLink(self._api, self._registration, self._identity, engine)
            tcs = TcsLink(self._api, self._registration, engine, Sampler(self._runtime, self._clock))
            group.create_task(acs.run(), name="acs")
            group.create_task(tcs.run(), name="tcs")

    async def _register(self) -> None:
        await self._api.reachable()
        attempt = 0
        while True:
            try:
                await self._registration.register()
            except ApiError as error:
                log.info("not registered yet", error=str(error))
            else:
                return
            await asyncio.sleep(LINKS.delay(attempt))
            attempt += 1
