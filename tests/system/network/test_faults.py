"""Crashes, disconnections and neighbours: what is there is adopted, what isn't ours isn't touched, nothing is left."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from tests.support.hosts import FakeServer, interface, resource, subnet, vpc
from tests.support.sockets import Echo, ask, exchange
from tests.system.network.conftest import Deployment, Task

from roadstead.agent.host.network.netlink import UNREACHABLE, RouteEntry
from roadstead.agent.host.reconcile.model import Reference
from roadstead.wire.hosts import ListFrame

pytestmark = pytest.mark.system

VPC = Reference("vpc", "vpc-1")
SUBNET = Reference("subnet", "subnet-1")
ENI = Reference("interface", "eni-1")
MAC = "0a:00:00:00:00:05"


def take(deployment: Deployment) -> Task:
    return Task(deployment, MAC, "172.31.0.5/20", "172.31.0.1")


async def everything(server: FakeServer) -> None:
    server.put(vpc(), subnet(), interface())
    await server.until_ready()


def test_references_may_arrive_in_any_order_and_go_in_any_order(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            server.put(interface(), subnet())
            await server.until(lambda: server.condition(ENI, "Ready") == ("False", "WaitingForReference"))
            server.put(vpc())
            await server.until_ready()
            server.delete(VPC, SUBNET)
            await server.until(lambda: server.condition(VPC, "Ready") == ("False", "DependantsRemain"))
            assert VPC in server.resources
            server.delete(ENI)
            await server.until_gone()

    deployment.host.run_async(main)


def test_a_role_that_starts_again_adopts_what_it_finds(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await everything(server)
        with take(deployment) as task, task.place.call(lambda: Echo("0.0.0.0", 8080)):
            before = (deployment.links(), deployment.links("vpc-1"))
            server.statuses.clear()
            async with deployment.role(server):
                await server.until_ready()
                assert (deployment.links(), deployment.links("vpc-1")) == before
                assert await asyncio.to_thread(deployment.host.call, exchange, "172.31.0.5", 8080, b"x") == b"x"
                assert await task.call(ask, "169.254.169.253", "ip-172-31-0-5.ec2.internal") == (
                    "NOERROR",
                    ["172.31.0.5"],
                )

    deployment.host.run_async(main)


def test_what_nobody_wants_any_more_is_swept_at_the_first_list(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await everything(server)
            server.put(vpc("vpc-2", "10.7.0.0/16"), subnet("subnet-2", "vpc-2", "10.7.0.0/24"))
            server.put(interface("eni-2", 7))
            await server.until_ready()
        for gone in (Reference("vpc", "vpc-2"), Reference("subnet", "subnet-2"), Reference("interface", "eni-2")):
            del server.resources[gone]
        server.statuses.clear()
        kept = {name for name, _ in deployment.links("vpc-1")}
        async with deployment.role(server):
            await server.until_ready()
            names = {name for name, _ in deployment.links("vpc-1")}
            assert names < kept
            assert len(kept - names) == 1
            assert not (deployment.directory / "vpc-2").exists()
            assert len([name for name, _ in deployment.links() if name.startswith("u")]) == 1
            assert "unreachable 10.7.0.0/16" in deployment.host.run(["ip", "route"]).stdout

    deployment.host.run_async(main)


def test_a_disconnected_host_changes_nothing_and_reports_later(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await everything(server)
            before = deployment.links("vpc-1")
            server.disconnect()
            await server.until(lambda: len(server.opened) > 2)
            assert deployment.links("vpc-1") == before
            server.put(interface("eni-2", 9))
            del server.resources[ENI]
            server.reconnect()
            await server.until_ready()
            await server.until(lambda: len(deployment.links("pool")) == 2, seconds=5)

    deployment.host.run_async(main)


def test_an_interface_that_died_with_its_task_is_made_again(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await everything(server)
            with take(deployment):
                assert len(deployment.links("pool")) == 1
            await server.until(lambda: len(deployment.links("pool")) == 2)
            server.delete(ENI)
            await server.until_gone(ENI)
            assert len(deployment.links("pool")) == 1

    deployment.host.run_async(main)


def test_an_interface_in_a_task_goes_when_it_is_deleted(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await everything(server)
            with take(deployment) as task:
                server.delete(ENI)
                await server.until_gone(ENI)
                assert [link.name for link in task.place.netlink(lambda netlink: netlink.links())] == ["lo"]

    deployment.host.run_async(main)


def test_bad_specs_and_unknown_kinds_are_reported_and_deleted(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        bad = (
            resource("vpc", "vpc-a", {"cidr": 3}),
            vpc("vpc-b", "172.31.0.1/16"),
            vpc("pool", "10.9.0.0/16"),
            vpc("vpc-../../x", "10.9.0.0/16"),
        )
        async with deployment.role(server):
            await everything(server)
            server.put(*bad, resource("load-balancer", "lb-1", {}), interface("eni-2", 8, attach_to="../pool"))
            server.put(interface("eni-3", 10, attach_to="machine"))
            for one in bad:
                name = Reference.of(one)
                await server.until(lambda n=name: server.condition(n, "Ready") == ("False", "InvalidSpec"))
            balancer = Reference("load-balancer", "lb-1")
            await server.until(lambda: server.condition(balancer, "Supported") == ("False", "Unsupported"))
            eni = Reference("interface", "eni-2")
            await server.until(lambda: server.condition(eni, "Ready") == ("False", "InvalidSpec"))
            waiting = Reference("interface", "eni-3")
            await server.until(lambda: server.condition(waiting, "Ready") == ("False", "NamespaceMissing"))
            assert server.is_ready(VPC)
            assert server.is_ready(ENI)
            server.delete(*server.resources)
            await server.until_gone()

    deployment.host.run_async(main)


def test_two_deployments_with_one_cidr_live_side_by_side(deployment: Deployment, other_deployment: Deployment) -> None:
    async def main() -> None:
        first, second = FakeServer(), FakeServer()
        async with other_deployment.role(second):
            async with deployment.role(first):
                await everything(first)
                await everything(second)
                assert first.condition(VPC, "HostRoute") == ("True", "")
                assert second.condition(VPC, "HostRoute") == ("False", "OverlapsHostRoute")
                await both_answer()
            await asyncio.to_thread(deployment.free)
            await second.until(lambda: second.condition(VPC, "HostRoute") == ("True", ""))

    async def both_answer() -> None:
        with (
            take(deployment) as one,
            take(other_deployment) as two,
            one.place.call(lambda: Echo("0.0.0.0", 8080, lambda _: b"one")),
            two.place.call(lambda: Echo("0.0.0.0", 8080, lambda _: b"two")),
        ):
            assert await asyncio.to_thread(deployment.host.call, exchange, "172.31.0.5", 8080, b"") == b"one"
            inside = await other_deployment.ainside("vpc-1", lambda: exchange("172.31.0.5", 8080, b""))
            assert inside == b"two"

    deployment.host.run_async(main)


def test_a_role_whose_namespaces_were_taken_away_makes_them_again(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await everything(server)
            await asyncio.to_thread(deployment.free)
            await server.until(lambda: (deployment.directory / "vpc-1").exists())
            await server.until(lambda: len(deployment.links()) == 2 and server.is_ready(ENI))
            answer = ("NOERROR", ["172.31.0.5"])
            name = "ip-172-31-0-5.ec2.internal"
            assert await deployment.ainside("vpc-1", lambda: ask("169.254.169.253", name)) == answer

    deployment.host.run_async(main)


def _routes(deployment: Deployment) -> tuple[RouteEntry, ...]:
    return deployment.host.netlink(lambda netlink: netlink.routes())


def test_of_two_vpcs_with_one_cidr_the_second_gets_the_route_when_the_first_goes(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        other = Reference("vpc", "vpc-2")
        async with deployment.role(server):
            server.put(vpc())
            await server.until_ready()
            server.put(vpc("vpc-2"))
            await server.until_ready()
            assert server.condition(other, "HostRoute") == ("False", "OverlapsVpc")
            unreachable = [route for route in _routes(deployment) if route.kind == UNREACHABLE]
            assert unreachable, "the second one took nothing from the first"
            for route in unreachable:
                deployment.host.netlink(lambda netlink, route=route: netlink.delete_route(route))
            await server.until(lambda: set(unreachable) <= set(_routes(deployment)))
            assert server.is_ready(VPC), "its own route does not stand against its unreachable one"
            server.delete(VPC)
            await server.until(lambda: server.condition(other, "HostRoute") == ("True", ""))

    deployment.host.run_async(main)


def test_a_cidr_of_the_host_gets_no_route_and_the_host_keeps_its_own(deployment: Deployment) -> None:
    async def main() -> None:
        host = deployment.host
        host.run(["ip", "link", "add", "corp", "type", "bridge"], check=True)
        host.run(["ip", "link", "set", "corp", "up"], check=True)
        host.run(["ip", "addr", "add", "172.31.5.1/24", "dev", "corp"], check=True)
        before = host.run(["ip", "route", "show", "table", "all"]).stdout
        server = FakeServer()
        async with deployment.role(server):
            await everything(server)
            assert server.condition(VPC, "HostRoute") == ("False", "OverlapsHostRoute")
            routes = host.run(["ip", "-o", "route", "show", "table", "all"]).stdout.splitlines()
            ours = [route for route in routes if route not in before]
            assert [route for route in ours if "172.31" in route] == []
            host.run(["ip", "link", "del", "corp"])
            await server.until(lambda: server.condition(VPC, "HostRoute") == ("True", ""))

    deployment.host.run_async(main)


def traces(deployment: Deployment) -> list[str]:
    """All that carries the deployment's tag: links, routes, tables, mounts, files."""
    host, tag = deployment.host, deployment.tag
    metrics = (str(0x52_000000 | int(tag, 16)), str(0x55_000000 | int(tag, 16)))
    found = [line for line in host.run(["ip", "-o", "link"]).stdout.splitlines() if tag in line]
    routes = host.run(["ip", "route", "show", "table", "all"]).stdout.splitlines()
    found += [line for line in routes if tag in line or any(metric in line for metric in metrics)]
    found += [line for line in host.run(["nft", "list", "tables"]).stdout.splitlines() if tag in line]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if tag in line]
    found += [str(path) for path in Path("/run").glob(f"*{tag}*")]
    return found


def test_freeing_leaves_nothing_and_touches_nobody_else(deployment: Deployment, other_deployment: Deployment) -> None:
    async def main() -> None:
        first, second = FakeServer(), FakeServer()
        async with deployment.role(first), other_deployment.role(second):
            await everything(first)
            second.put(vpc(cidr="10.8.0.0/16"), subnet(cidr="10.8.0.0/24"))
            await second.until_ready()

    deployment.host.run_async(main)
    assert len(traces(deployment)) >= 6
    task = take(deployment)
    others = traces(other_deployment)
    deployment.free()
    deployment.free()
    assert traces(deployment) == []
    assert [link.name for link in task.place.netlink(lambda netlink: netlink.links())] == ["lo"]
    task.place.close()
    assert traces(other_deployment) == others
    other_deployment.free()
    assert traces(other_deployment) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_role_killed_in_the_middle_converges_when_it_starts_again(
    deployment: Deployment, tmp_path: Path, seed: int
) -> None:
    resources = (vpc(), subnet(), *(interface(f"eni-{number}", number) for number in range(5, 15)))
    file = tmp_path / "frame.json"
    file.write_bytes(msgspec.json.encode(ListFrame(revision=1, resources=resources)))
    command = [sys.executable, "-m", "tests.system.network.role_process", deployment.tag, str(file)]
    chance = random.Random(seed)
    for _ in range(3):
        process = deployment.host.popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not deployment.directory.exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
        time.sleep(chance.uniform(0, 0.12))  # the moment of the kill is the test's variable, not a wait for anything
        process.kill()
        process.wait()

    async def main() -> None:
        server = FakeServer()
        for one in resources:
            server.resources[Reference.of(one)] = one
        async with deployment.role(server):
            await server.until_ready()
            assert len(deployment.links("pool")) == 11
            with take(deployment) as task, task.place.call(lambda: Echo("0.0.0.0", 8080)):
                assert await asyncio.to_thread(deployment.host.call, exchange, "172.31.0.5", 8080, b"x") == b"x"
            server.delete(*server.resources)
            await server.until_gone()

    deployment.host.run_async(main)
    deployment.free()
    assert traces(deployment) == []


def test_connect_enters_the_vpc_with_its_resolver(deployment: Deployment) -> None:
    async def main() -> None:
        server = FakeServer()
        async with deployment.role(server):
            await everything(server)
            code = (
                "from roadstead.agent.host.network.enter import enter\n"
                "from roadstead.agent.host.network.namespaces import NamespaceDirectory\n"
                f"enter(NamespaceDirectory('{deployment.tag}'), 'vpc-1', "
                "['sh', '-c', 'cat /etc/resolv.conf; ip -o addr; exit 7'])"
            )
            done = await asyncio.to_thread(deployment.host.run, [sys.executable, "-c", code])
            assert done.returncode == 7, done.stderr
            assert done.stdout.startswith("nameserver 169.254.169.253\n")
            assert "172.31.0.1/20" in done.stdout

    before = Path("/etc/resolv.conf").read_text()
    deployment.host.run_async(main)
    assert Path("/etc/resolv.conf").read_text() == before


def test_netlink_works_where_uvloop_is_the_default_loop(deployment: Deployment) -> None:
    code = (
        "import asyncio, uvloop\n"
        "from roadstead.agent.host.network.netlink import Netlink\n"
        "asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())\n"
        "netlink = Netlink()\n"
        "print([link.name for link in netlink.links()])\n"
        "netlink.close()"
    )
    done = deployment.host.run([sys.executable, "-W", "error::ResourceWarning", "-c", code])
    assert (done.returncode, done.stdout, done.stderr) == (0, "['lo']\n", "")
