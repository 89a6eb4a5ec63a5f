"""The namespaces of tasks on a real kernel, inside namespaces that the test makes. Needs root."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from tests.support.waiting import until

from roadstead.agent.ecs.network import InterfaceTimeout, InterfaceWatch, NetworkPlan, interfaces
from roadstead.agent.ecs.network.plan import InterfacePlan
from roadstead.agent.ecs.network.rtnl import LinkEvent, parse
from roadstead.agent.ecs.network.task import prepare_agent_namespace, release_agent_namespace
from roadstead.agent.ecs.task_network import KernelNetworks
from roadstead.agent.kernelnet import create_namespace, delete_namespace, in_namespace, namespace_exists, open_route

MAC = "02:00:5e:00:00:05"
PLAN = NetworkPlan(
    interfaces=(InterfacePlan(MAC, "eth0", IPv4Interface("10.9.0.7/24"), IPv4Address("10.9.0.1")),),
    nameservers=("169.254.169.253",),
    search=(),
    hostname="h",
)
ONE, TWO = "0" * 31 + "1", "0" * 31 + "2"


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Path]:
    agent, router = tmp_path / "pool", tmp_path / "vpc"
    for each in (agent, router):
        create_namespace(each)
    prepare_agent_namespace(agent)
    yield agent
    release_agent_namespace(agent)
    for path in (agent, router, *tmp_path.glob("tasks/*")):
        delete_namespace(path)


def add_eni(pool: Path) -> None:
    def work() -> None:
        with open_route() as route, pool.open("rb") as target:
            peer = {"ifname": "eni-5", "address": MAC, "net_ns_fd": target.fileno()}
            route.link("add", ifname="v5", kind="veth", peer=peer)
            index = route.link_lookup(ifname="v5")[0]
            route.addr("add", index=index, address="10.9.0.1", prefixlen=24)
            route.link("set", index=index, state="up")

    in_namespace(pool.parent / "vpc", work)


def links(namespace: Path) -> dict[str, str]:
    def work() -> dict[str, str]:
        with open_route() as route:
            return {str(link.get("ifname")): str(link.get("address")) for link in route.get_links()}

    return in_namespace(namespace, work)


def reaches(namespace: Path, address: str, source: str | None = None) -> bool:
    """Whether a TCP connection from the namespace to `address`:80 opens."""

    def work() -> bool:
        with socket.socket() as opened:
            opened.settimeout(0.5)
            if source is not None:
                opened.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
                opened.bind((source, 0))
            return opened.connect_ex((address, 80)) == 0

    return in_namespace(namespace, work)


async def test_an_interface_is_awaited_moved_configured_and_given_back(pool: Path, tmp_path: Path):
    async with InterfaceWatch(pool) as watch:
        networks = KernelNetworks(tmp_path / "tasks", pool, watch, 10.0)
        making = asyncio.create_task(networks.make(ONE, "169.254.172.2", PLAN))
        await asyncio.sleep(0.05)
        assert not making.done()
        await asyncio.to_thread(add_eni, pool)
        await making
        assert set(links(networks.path(ONE))) == {"lo", "eth0", "ecs-eth0"}
        await networks.make(ONE, "169.254.172.2", PLAN)
        await networks.free(ONE, "169.254.172.2")
        assert links(pool)["eni-5"] == MAC
        assert not namespace_exists(networks.path(ONE))
        assert set(links(pool)) == {"lo", "ecs-bridge", "eni-5"}
        await networks.free(ONE, "169.254.172.2")


async def test_an_interface_that_never_comes_runs_into_the_deadline(pool: Path, tmp_path: Path):
    async with InterfaceWatch(pool) as watch:
        networks = KernelNetworks(tmp_path / "tasks", pool, watch, 0.2)
        with pytest.raises(InterfaceTimeout):
            await networks.make(ONE, "169.254.172.2", PLAN)
        await networks.free(ONE, "169.254.172.2")


async def test_what_the_kernel_refuses_is_an_error_of_the_system(pool: Path, tmp_path: Path):
    async with InterfaceWatch(pool) as watch:
        networks = KernelNetworks(tmp_path / "tasks", pool, watch, 10.0)
        await networks.open(ONE)

        def take_its_name() -> None:
            with open_route() as route:
                route.link("add", ifname="eth0", kind="bridge")

        in_namespace(networks.path(ONE), take_its_name)
        add_eni(pool)
        with pytest.raises(FileExistsError, match="netlink: "):
            await networks.make(ONE, "169.254.172.2", PLAN)


@pytest.fixture
def before_a_list_arrives(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Has something done once, when the kernel has answered a list and the list is not taken yet."""

    def arrange(change: Callable[[], None]) -> None:
        def listed() -> list[LinkEvent]:
            found = real()
            monkeypatch.setattr(interfaces, "_links", real)
            change()
            return found

        real = interfaces._links
        monkeypatch.setattr(interfaces, "_links", listed)

    return arrange


async def test_an_interface_that_comes_while_links_are_listed_is_known(
    pool: Path, before_a_list_arrives: Callable[[Callable[[], None]], None]
):
    watch = InterfaceWatch(pool)

    def come() -> None:
        add_eni(pool)
        until(lambda: MAC in watch._present, "the notification")

    before_a_list_arrives(come)
    async with watch:
        assert (await watch.wait(MAC, 5)).name == "eni-5"


async def test_an_interface_that_goes_while_links_are_listed_is_not_known(
    pool: Path, before_a_list_arrives: Callable[[Callable[[], None]], None]
):
    add_eni(pool)
    seen: list[int] = []
    watch = InterfaceWatch(pool)

    def go() -> None:
        in_namespace(pool, delete)
        until(lambda: any(event.gone for event in watch._meanwhile), "the notification")
        seen.append(1)

    def delete() -> None:
        with open_route() as route:
            route.link("del", index=route.link_lookup(ifname="eni-5")[0])

    before_a_list_arrives(go)
    async with watch:
        assert seen
        with pytest.raises(InterfaceTimeout):
            await watch.wait(MAC, 0.05)


async def test_links_are_listed_again_when_notifications_are_lost_while_they_are(
    pool: Path, before_a_list_arrives: Callable[[Callable[[], None]], None]
):
    class Full:
        """A socket whose buffer ran over once: what would have told of the interface is gone."""

        def __init__(self, real: socket.socket) -> None:
            self.real = real

        def recv(self, size: int) -> bytes:
            with contextlib.suppress(BlockingIOError):
                while self.real.recv(size):
                    pass
            lost.append(1)
            raise OSError(errno.ENOBUFS, "No buffer space available")

    lost: list[int] = []
    watch = InterfaceWatch(pool)

    def overrun() -> None:
        real = watch._socket
        assert real is not None
        watch._socket = Full(real)  # type: ignore[assignment]
        add_eni(pool)
        until(lambda: lost, "the loss")
        watch._socket = real

    before_a_list_arrives(overrun)
    async with watch:
        assert (await watch.wait(MAC, 5)).name == "eni-5"


async def test_tasks_reach_the_endpoint_but_not_each_other_nor_under_anothers_address(pool: Path, tmp_path: Path):
    plan = NetworkPlan((), (), (), "h")
    async with InterfaceWatch(pool) as watch:
        networks = KernelNetworks(tmp_path / "tasks", pool, watch, 1.0)
        await networks.make(ONE, "169.254.172.2", plan)
        await networks.make(TWO, "169.254.172.3", plan)
        one, two = networks.path(ONE), networks.path(TWO)

        def listen() -> socket.socket:
            return socket.create_server(("0.0.0.0", 80))

        with in_namespace(pool, listen), in_namespace(two, listen):
            assert await asyncio.to_thread(reaches, one, "169.254.170.2")
            assert not await asyncio.to_thread(reaches, one, "169.254.172.3")
            assert not await asyncio.to_thread(reaches, one, "169.254.170.2", "169.254.172.3")
        await networks.strays(frozenset())
        assert not namespace_exists(one)
        assert not namespace_exists(two)


def test_datagrams_that_are_cut_short_end_quietly():
    assert list(parse(b"")) == []
    assert list(parse(b"\x40\x00\x00\x00\x10\x00")) == []
    assert list(parse(bytes([40, 0, 0, 0, 16, 0]) + bytes(10))) == []
