"""The namespaces of tasks on a real kernel, inside namespaces that the test makes. Needs root."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from roadstead.agent.ecs.network import InterfaceTimeout, InterfaceWatch, NetworkPlan
from roadstead.agent.ecs.network.plan import InterfacePlan
from roadstead.agent.ecs.network.rtnl import parse
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
