"""The least that anybody does to have an image run on a network of its own: containerd's native API, without Roadstead."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pyroute2 import IPRoute
from tests.support.containerd import engine_paths
from tests.support.deployment import LiveDeployment
from tests.support.namespaces import PlayedHost

from roadstead.agent.kernelnet import create_namespace, delete_namespace, in_namespace
from roadstead.agent.runtime.accounts import Identity
from roadstead.agent.runtime.client import Client
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.containers import Containers, Record, open_output
from roadstead.agent.runtime.endings import Endings
from roadstead.agent.runtime.images import Images
from roadstead.agent.runtime.model import ContainerSpec, Image, Isolation, Output, TaskSpec
from roadstead.agent.runtime.process import combine
from roadstead.agent.runtime.snapshots import Snapshots
from roadstead.agent.runtime.spec import Document, Place, oci_spec, sandbox_spec
from roadstead.cli.settings import run_directory

NAMESPACE = "floor"
BRIDGE = "floor0"
GATEWAY = "198.18.0.1"
ADDRESS = "198.18.0.2"
PREFIX = 24
PATIENCE = 30.0
POLL = 0.05


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """Where the image is pulled from, and the whole Authorization header for it."""

    url: str
    authorization: str


class Floor:
    """Launches the image on a deployment's containerd, in a namespace of containerd that the deployment never looks at."""

    def __init__(
        self,
        host: PlayedHost,
        deployment: LiveDeployment,
        folder: Path,
        runtime: str,
        image: str,
        access: RegistryAccess,
    ) -> None:
        self._host = host
        self._folder = folder
        self._isolation = Isolation(runtime)
        self._reference = image
        self._access = access
        self._settings = RuntimeSettings(
            data=deployment.data / "containerd",
            state=run_directory(deployment.data) / "containerd",
            engines=asyncio.run(engine_paths()),
            registry=access.url,
            tag=f"floor-{deployment.tag}",
            namespace=NAMESPACE,
        )
        self._image: Image | None = None
        self._count = 0

    def __enter__(self) -> Self:
        self._host.call(_make_bridge)
        self._host.run_async(self._pull)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._host.run_async(self._forget)
        self._host.call(_remove_bridge)

    def launch(self) -> float:
        """Seconds from nothing to a started process; everything is removed afterwards."""
        return self._host.run_async(self._alone)

    def launch_in_pod(self) -> float:
        """The same with a `pause` container first, which holds the sandbox open: as Kubernetes has gVisor, and tasks need it."""
        return self._host.run_async(self._in_pod)

    def leaked(self) -> list[str]:
        """Containers and snapshots of the deployment that are still there `PATIENCE` seconds after its tasks stopped."""
        return self._host.run_async(self._leaked)

    async def _pull(self) -> None:
        async with self._client() as client:
            with contextlib.closing(Images(client, self._settings)) as images:
                self._image = await images.ensure(self._reference, self._access.authorization)

    async def _forget(self) -> None:
        async with self._client() as client:
            with contextlib.closing(Images(client, self._settings)) as images:
                await images.remove_unused((), 0)

    async def _alone(self) -> float:
        return await self._launch(in_pod=False)

    async def _in_pod(self) -> float:
        return await self._launch(in_pod=True)

    async def _launch(self, *, in_pod: bool) -> float:
        self._count += 1
        name, namespace = f"floor-{self._count:04}", self._folder / f"netns-{self._count}"
        pod = f"pod-{name}"
        output = Output(self._folder / "output" / name / "stdout", self._folder / "output" / name / "stderr")
        async with self._client() as client:
            containers, snapshots = Containers(client, self._settings), Snapshots(client, self._settings)
            endings = Endings(containers, snapshots, self._settings)
            try:
                began = time.perf_counter()
                _, rootfs = await asyncio.gather(
                    asyncio.to_thread(_make_network, namespace, f"v{self._count}"),
                    snapshots.prepare(name, self._present.chain_id),
                )
                if in_pod:
                    await _run(containers, self._pause(pod, namespace))
                open_output(output)
                document = self._document(name, namespace, output, pod if in_pod else name)
                await _run(
                    containers, Record(name, self._reference, self._isolation, document, {}, tuple(rootfs), output)
                )
                return time.perf_counter() - began
            finally:
                await endings.delete(name)
                if in_pod:
                    await endings.delete(pod)
                await asyncio.to_thread(delete_namespace, namespace)

    @property
    def _present(self) -> Image:
        if self._image is None:
            raise RuntimeError("the image was not pulled yet")
        return self._image

    def _document(self, name: str, namespace: Path, output: Output, sandbox: str) -> Document:
        spec = ContainerSpec(id=name, task_id=name, image=self._present, output=output, cpu_units=256, memory_mib=512)
        place = Place(self._cgroup(name), sandbox if self._isolation is Isolation.GVISOR else "")
        return oci_spec(spec, self._task(name, namespace), combine(spec), Identity(), place)

    def _pause(self, pod: str, namespace: Path) -> Record:
        place = Place(self._cgroup(pod), sandbox=pod, rootfs=str(self._settings.pause_rootfs))
        return Record(pod, "", self._isolation, sandbox_spec(pod, self._task(pod, namespace), place), {})

    def _task(self, name: str, namespace: Path) -> TaskSpec:
        return TaskSpec(id=name, isolation=self._isolation, network_namespace=str(namespace), hostname=name)

    def _cgroup(self, name: str) -> str:
        return f"/{self._settings.tag}/{name}"

    async def _leaked(self) -> list[str]:
        own = replace(self._settings, namespace="roadstead", tag=self._settings.tag.removeprefix("floor-"))
        client = Client(own.socket, own.namespace)
        try:
            containers = Containers(client, own)
            deadline = time.monotonic() + PATIENCE
            while found := [*await containers.records(), *await Snapshots(client, own).keys()]:
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(POLL)
        finally:
            await client.close()
        return found

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncGenerator[Client]:
        client = Client(self._settings.socket, NAMESPACE)
        try:
            await client.ready(10)
            yield client
        finally:
            await client.close()


async def _run(containers: Containers, record: Record) -> None:
    await containers.record(record)
    await containers.create_task(record)
    await containers.start(record.id)


def _make_bridge() -> None:
    with IPRoute() as route:
        route.link("add", ifname=BRIDGE, kind="bridge")
        index = next(iter(route.link_lookup(ifname=BRIDGE)))
        route.addr("add", index=index, address=GATEWAY, prefixlen=PREFIX)
        route.link("set", index=index, state="up")


def _remove_bridge() -> None:
    with IPRoute() as route:
        route.link("del", ifname=BRIDGE)


def _make_network(namespace: Path, port: str) -> None:
    create_namespace(namespace)
    with IPRoute() as route, namespace.open("rb") as target:
        bridge = next(iter(route.link_lookup(ifname=BRIDGE)))
        peer = {"ifname": "eth0", "net_ns_fd": target.fileno()}
        route.link("add", ifname=port, kind="veth", peer=peer, master=bridge, state="up")
    in_namespace(namespace, _configure)


def _configure() -> None:
    with IPRoute() as route:
        route.link("set", ifname="lo", state="up")
        index = next(iter(route.link_lookup(ifname="eth0")))
        route.addr("add", index=index, address=ADDRESS, prefixlen=PREFIX)
        route.link("set", index=index, state="up")
        route.route("add", dst="default", gateway=GATEWAY, oif=index)
