"""A host role on a played host, and tasks that take interfaces from its pool as the ecs role does."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pyroute2 import IPRoute
from tests.support.hosts import GATEWAY_PORT, FakeServer
from tests.support.namespaces import PlayedHost, played_host

from roadstead.agent.host.cleanup import free_everything
from roadstead.agent.host.network.gateway import Relay, ServerEndpoint
from roadstead.agent.host.network.netlink import Link, Netlink, RouteEntry
from roadstead.agent.host.network.syscalls import enter_network
from roadstead.agent.host.role import HostRole

Result = TypeVar("Result")

SERVER = ServerEndpoint("127.0.0.1", GATEWAY_PORT)
RELAY = Relay("h-1", b"key")


@dataclass
class Deployment:
    """One deployment's tag on a played host."""

    host: PlayedHost
    tag: str = field(default_factory=lambda: secrets.token_hex(3))

    @property
    def directory(self) -> Path:
        """Where its namespaces are mounted."""
        return Path(f"/run/roadstead-{self.tag}/netns")

    @asynccontextmanager
    async def role(self, server: FakeServer, resync_seconds: float = 0.3) -> AsyncGenerator[HostRole]:
        """A role that follows `server`, on the running loop."""
        role = HostRole(
            tag=self.tag,
            server_endpoint=SERVER,
            relay=RELAY,
            frames=server.frames,
            report=server.report,
            resync_seconds=resync_seconds,
        )
        running = asyncio.create_task(role.run())
        try:
            await server.until(lambda: bool(server.opened) or running.done())
            yield role
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    def inside(self, namespace: str, function: Callable[[], Result]) -> Result:
        """Run a function in a namespace of the deployment."""
        return _in_namespace(self.directory / namespace, function)

    async def ainside(self, namespace: str, function: Callable[[], Result]) -> Result:
        """The same, without blocking the loop that serves DNS and gateway."""
        return await asyncio.to_thread(self.inside, namespace, function)

    def links(self, namespace: str | None = None) -> set[tuple[str, int]]:
        """Names and indexes of the links of a namespace (the host's by default), to see what was made anew."""
        links = self.host.call(_links) if namespace is None else self.inside(namespace, _links)
        return {(link.name, link.index) for link in links}

    def free(self) -> None:
        """What `down` does."""
        self.host.call(free_everything, self.tag)


class Task:
    """A task's network namespace with the interface that it took from the pool."""

    def __init__(self, deployment: Deployment, mac: str, address: str, router: str) -> None:
        self.place = PlayedHost()
        try:
            descriptor = os.open(self.place.path, os.O_RDONLY)
            try:
                deployment.inside("pool", lambda: _move(mac, descriptor))
            finally:
                os.close(descriptor)
            self.place.netlink(lambda netlink: _address(netlink, mac, address, router))
        except BaseException:
            self.place.close()
            raise

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run a blocking function in the task, without blocking the loop."""
        return await asyncio.to_thread(self.place.call, function, *arguments)

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *_: object) -> None:
        self.place.close()


@pytest.fixture
def host() -> Generator[PlayedHost]:
    with played_host() as played:
        yield played


@pytest.fixture
def deployment(host: PlayedHost) -> Generator[Deployment]:
    made = Deployment(host)
    yield made
    made.free()


@pytest.fixture
def other_deployment(host: PlayedHost) -> Generator[Deployment]:
    made = Deployment(host)
    yield made
    made.free()


Main = Callable[[], Coroutine[Any, Any, None]]


def _in_namespace(path: Path, function: Callable[[], Result]) -> Result:
    def work() -> Result:
        enter_network(path)
        return function()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()


def _links() -> tuple[Link, ...]:
    netlink = Netlink()
    try:
        return netlink.links()
    finally:
        netlink.close()


def _move(mac: str, descriptor: int) -> None:
    with IPRoute() as requests:
        for link in requests.get_links():
            if link.get("address") == mac:
                requests.link("set", index=link["index"], net_ns_fd=descriptor)
                return
    raise AssertionError(f"no interface with {mac} in the pool")


def _address(netlink: Netlink, mac: str, address: str, router: str) -> None:
    (link,) = [link for link in netlink.links() if link.mac == mac]
    netlink.set_link(link.name, up=True)
    netlink.add_address(link.index, address)
    netlink.add_route(RouteEntry(IPv4Network("0.0.0.0/0"), "unicast", link=link.name, via=IPv4Address(router)))
