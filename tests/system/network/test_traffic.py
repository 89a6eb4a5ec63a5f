"""What a task, the host and the rest see of a VPC: packets on the wire."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess

import pytest
from tests.support.hosts import GATEWAY_PORT, FakeServer, interface, subnet, vpc
from tests.support.namespaces import PlayedHost, played_host_with_uplink
from tests.support.sockets import Echo, ask, exchange, refused, send_datagrams
from tests.system.network.conftest import RELAY, Deployment, Task

from roadstead.wire.relayed import read_relay_header

pytestmark = pytest.mark.system

MAC = "0a:00:00:00:00:05"
OTHER_MAC = "0a:00:00:00:00:06"


async def started(server: FakeServer) -> None:
    server.put(
        vpc(),
        subnet(),
        subnet("subnet-2", cidr="172.31.16.0/20"),
        interface("eni-1", 5),
        interface("eni-2", 6, subnet_id="subnet-2", network="172.31.16"),
    )
    await server.until_ready()


def tasks(deployment: Deployment) -> tuple[Task, Task]:
    first = Task(deployment, MAC, "172.31.0.5/20", "172.31.0.1")
    try:
        return first, Task(deployment, OTHER_MAC, "172.31.16.6/20", "172.31.16.1")
    except BaseException:
        first.place.close()
        raise


def test_a_task_is_reached_from_the_host_and_from_another_subnet(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await started(server)
            one, two = tasks(deployment)
            with one, two, one.place.call(lambda: Echo("0.0.0.0", 8080, bytes.upper)):
                assert await asyncio.to_thread(exchange_on, deployment.host, "172.31.0.5") == b"HELLO"
                assert await two.call(exchange, "172.31.0.5", 8080, b"from two") == b"FROM TWO"

    deployment.host.run_async(main)


def exchange_on(host: PlayedHost, address: str) -> bytes:
    return host.call(exchange, address, 8080, b"hello")


def test_dns_answers_private_names_registry_names_and_refuses_the_rest(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await started(server)
            one, two = tasks(deployment)
            with one, two:
                for resolver in ("169.254.169.253", "172.31.0.2"):
                    for tcp in (False, True):
                        answer = await one.call(lambda r=resolver, t=tcp: ask(r, "ip-172-31-16-6.ec2.internal", tcp=t))
                        assert answer == ("NOERROR", ["172.31.16.6"])
                at = "169.254.169.253"
                reverse = await one.call(ask, at, "5.0.31.172.in-addr.arpa", "PTR")
                assert reverse == ("NOERROR", ["ip-172-31-0-5.ec2.internal."])
                registry = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
                assert await one.call(ask, at, registry) == ("NOERROR", ["169.254.170.3"])
                assert await one.call(ask, at, registry, "AAAA") == ("NOERROR", [])
                assert await one.call(ask, at, "example.com") == ("REFUSED", [])
                await one.call(send_datagrams, at, 53, [os.urandom(size) for size in range(0, 600, 7)])
                assert await one.call(ask, at, "ip-172-31-9-9.ec2.internal") == ("NXDOMAIN", [])
                server.delete(*[name for name in server.resources if name.id == "eni-2"])
                await server.until(lambda: not any(name.id == "eni-2" for name in server.resources))
                assert await one.call(ask, at, "ip-172-31-16-6.ec2.internal") == ("NXDOMAIN", [])

    deployment.host.run_async(main)


def test_the_gateway_relays_to_the_server_in_both_directions(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await started(server)
            one, two = tasks(deployment)
            with one, two:
                assert await one.call(refused, "169.254.170.3", GATEWAY_PORT), "no server: refused, not hanging"
                with deployment.host.call(lambda: Echo("127.0.0.1", GATEWAY_PORT)):
                    payload = os.urandom(5_000_000)
                    echoed = await one.call(exchange, "169.254.170.3", GATEWAY_PORT, payload)
                    header = read_relay_header(echoed)
                    assert header is not None
                    assert header.is_by(RELAY.key)
                    assert echoed[header.size :] == payload

    deployment.host.run_async(main)


def test_a_vpc_reaches_nothing_of_the_host_but_our_endpoints(deployment: Deployment) -> None:
    of_the_host = ("169.254.170.5", "192.0.2.2")

    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server, resync_seconds=60):
            await started(server)
            one, two = tasks(deployment)
            with one, two, deployment.host.call(lambda: Echo("0.0.0.0", 9999)):
                deployment.host.run(["ip", "addr", "add", "192.0.2.2/32", "dev", "lo"], check=True)
                for destination in (*of_the_host, "169.254.170.6", "10.0.0.1"):
                    assert await one.call(refused, destination, 9999), destination
                # With a way out, as egress will have one: the rules hold by themselves, not for want of a route.
                routed = ["ip", "route", "add", "default", "via", "169.254.170.5", "dev", uplink(deployment), "onlink"]
                await deployment.ainside("vpc-1", lambda: subprocess.run(routed, check=True))
                for destination in of_the_host:
                    assert await one.call(refused, destination, 9999), destination
                    assert await deployment.ainside("vpc-1", lambda d=destination: refused(d, 9999)), destination
                await deployment.ainside("vpc-1", lambda: subprocess.run(["nft", "flush", "ruleset"], check=True))
                for destination in of_the_host:
                    assert await one.call(exchange, destination, 9999, b"open") == b"open", (
                        "the test sees what it guards"
                    )

    deployment.host.run_async(main)


def uplink(deployment: Deployment) -> str:
    (name,) = [name for name, _ in deployment.links() if name.startswith("u")]
    return name


@pytest.mark.parametrize("spoofed", ["172.31.0.9", "172.31.16.7", "169.254.170.5"])
def test_a_spoofed_address_passes_no_port(deployment: Deployment, spoofed: str) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await started(server)
            one, two = tasks(deployment)
            with one, two, two.place.call(lambda: received("0.0.0.0", 7000)) as packets:
                await one.call(send_from, "172.31.0.5", "172.31.16.6", 7000, b"honest")
                assert await asyncio.to_thread(packets.recv, 100) == b"honest"
                one.place.run(["ip", "addr", "add", f"{spoofed}/32", "dev", "lo"])
                await one.call(send_from, spoofed, "172.31.16.6", 7000, b"spoofed")
                await one.call(send_from, "172.31.0.5", "172.31.16.6", 7000, b"honest again")
                assert await asyncio.to_thread(packets.recv, 100) == b"honest again"

    deployment.host.run_async(main)


def test_a_changed_mac_passes_no_port(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await started(server)
            one, two = tasks(deployment)
            with one, two:
                assert await one.call(ask, "172.31.0.2", "example.com") == ("REFUSED", [])
                (name,) = [link.name for link in one.place.netlink(lambda n: n.links()) if link.mac == MAC]
                one.place.run(["ip", "link", "set", name, "address", "0a:00:00:00:00:77"])
                with pytest.raises(OSError):
                    await one.call(lambda: ask("172.31.0.2", "example.com"))

    deployment.host.run_async(main)


def received(address: str, port: int) -> socket.socket:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((address, port))
    receiver.settimeout(3)
    return receiver


def send_from(source: str, destination: str, port: int, data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        sender.sendto(data, (destination, port))


def test_no_packet_for_a_vpc_leaves_the_machine() -> None:
    with played_host_with_uplink() as (host, outside):
        deployment = Deployment(host)

        async def main() -> None:
            server = FakeServer()
            async with deployment.role(server):
                server.put(vpc())
                await server.until_ready()
                server.delete(*server.resources)
                await server.until_gone()

        with outside.call(lambda: received_raw()) as wire:
            try:
                host.run_async(main)
                assert unreachable(host), "after deletion"
                host.call(send_from, "192.0.2.2", "198.51.100.1", 7000, b"marker")
                assert seen_until(wire, b"marker") == [b"marker"]
            finally:
                deployment.free()
        assert "172.31" not in host.run(["ip", "route"]).stdout


def unreachable(host: PlayedHost) -> bool:
    try:
        host.call(send_from, "0.0.0.0", "172.31.0.5", 7000, b"leaked")
    except OSError:
        return True
    return False


def received_raw() -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    wire.settimeout(3)
    return wire


def seen_until(wire: socket.socket, marker: bytes) -> list[bytes]:
    """UDP payloads of the packets on the wire, to the marker."""
    seen: list[bytes] = []
    while marker not in seen:
        packet = wire.recv(2000)
        if packet[9] == socket.IPPROTO_UDP:
            seen.append(packet[28:])
    return seen
