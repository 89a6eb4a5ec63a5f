"""Making and freeing a task's namespace. Everything here blocks and is idempotent: run it with `asyncio.to_thread`.

The second interface, `ecs-eth0`, leads over a bridge in the agent's namespace to 169.254.170.2, as with Amazon's agent. Its ports are isolated
from one another and learn nothing: the agent alone says which MAC and address is behind which, so one task can't speak as another.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Generator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from roadstead.agent.ecs.network.plan import LINK_GATEWAY, LINK_NETWORK, InterfacePlan
from roadstead.agent.kernelnet import (
    add_address,
    create_namespace,
    delete_namespace,
    in_namespace,
    link_index,
    namespace_exists,
    open_route,
    tolerating,
)
from roadstead.kernel.settings import CREDENTIALS_ADDRESS, GATEWAY_ADDRESS, RESOLVER_ADDRESS

BRIDGE = "ecs-bridge"
LINK_DEVICE = "ecs-eth0"
_BRIDGE_MAC = "0a:ec:50:00:00:01"
"""Fixed: a bridge that takes its MAC from its ports changes it with them, and its neighbours are forgotten each time."""
_NUD_PERMANENT = 0x80
_NTF_MASTER = 0x04


@dataclass(frozen=True, slots=True)
class TaskNetwork:
    """A task's namespace by its file, and its address on the way to the credentials endpoint."""

    namespace: Path
    link_address: str

    @property
    def _digest(self) -> str:
        return sha256(str(self.namespace).encode()).hexdigest()

    @property
    def port(self) -> str:
        """The bridge's end of `ecs-eth0` in the agent's namespace."""
        return f"ecs-{self._digest[:10]}"

    @property
    def link_mac(self) -> str:
        """The MAC of `ecs-eth0`: locally administered, the same after a restart."""
        return "0a:" + ":".join(self._digest[i : i + 2] for i in range(0, 10, 2))


def prepare_agent_namespace(agent_namespace: Path | None) -> None:
    """The bridge and 169.254.170.2 in the agent's namespace."""

    def work() -> None:
        with open_route() as route:
            if not route.link_lookup(ifname=BRIDGE):
                route.link("add", ifname=BRIDGE, kind="bridge", address=_BRIDGE_MAC)
            bridge = link_index(route, BRIDGE)
            add_address(route, bridge, str(LINK_GATEWAY), LINK_NETWORK.prefixlen)
            route.link("set", index=bridge, state="up")
            lo = link_index(route, "lo")
            add_address(route, lo, CREDENTIALS_ADDRESS, 32)
            route.link("set", index=lo, state="up")

    in_namespace(agent_namespace, work)


def release_agent_namespace(agent_namespace: Path | None) -> None:
    """Take away what `prepare_agent_namespace` made."""

    def work() -> None:
        with open_route() as route:
            for index in route.link_lookup(ifname=BRIDGE):
                route.link("del", index=index)
            with tolerating(errno.EADDRNOTAVAIL):
                route.addr("del", index=link_index(route, "lo"), address=CREDENTIALS_ADDRESS, prefixlen=32)

    in_namespace(agent_namespace, work)


def prepare(agent_namespace: Path | None, network: TaskNetwork) -> None:
    """The namespace with `lo` and `ecs-eth0`: all that can be done before the task's interface arrives."""
    create_namespace(network.namespace)

    def agent_side() -> None:
        with open_route() as route, network.namespace.open("rb") as target:
            if not route.link_lookup(ifname=network.port):
                with tolerating(errno.EEXIST):
                    route.link(
                        "add",
                        ifname=network.port,
                        kind="veth",
                        peer={"ifname": LINK_DEVICE, "address": network.link_mac, "net_ns_fd": target.fileno()},
                    )
            port, bridge = link_index(route, network.port), link_index(route, BRIDGE)
            route.link("set", index=port, master=bridge, state="up")
            route.brport("set", index=port, isolated=1, learning=0, unicast_flood=0)
            route.fdb("replace", ifindex=port, lladdr=network.link_mac, flags=_NTF_MASTER, state=_NUD_PERMANENT)
            route.neigh(
                "replace", ifindex=bridge, dst=network.link_address, lladdr=network.link_mac, state=_NUD_PERMANENT
            )

    def task_side() -> None:
        with open_route() as route:
            route.link("set", index=link_index(route, "lo"), state="up")
            link = link_index(route, LINK_DEVICE)
            add_address(route, link, network.link_address, LINK_NETWORK.prefixlen)
            route.link("set", index=link, state="up")
            route.route("replace", dst=f"{CREDENTIALS_ADDRESS}/32", gateway=str(LINK_GATEWAY), oif=link)

    in_namespace(agent_namespace, agent_side)
    in_namespace(network.namespace, task_side)


def prepare_isolated(network: TaskNetwork) -> None:
    """The namespace with `lo` alone: network mode none."""
    create_namespace(network.namespace)

    def work() -> None:
        with open_route() as route:
            route.link("set", index=link_index(route, "lo"), state="up")

    in_namespace(network.namespace, work)


def is_prepared(namespace: Path) -> bool:
    """Whether the namespace is there."""
    return namespace_exists(namespace)


def holds_interface(network: TaskNetwork, mac: str) -> bool:
    """Whether the task's namespace has the interface already: an earlier attempt was interrupted."""
    if not namespace_exists(network.namespace):
        return False

    def look() -> bool:
        with open_route() as route:
            return bool(route.link_lookup(address=mac))

    return in_namespace(network.namespace, look)


def add_interface(agent_namespace: Path | None, network: TaskNetwork, plan: InterfacePlan, *, default: bool) -> None:
    """Move the interface with the plan's MAC from the agent's namespace into the task's, and configure it there.

    With `default` it carries the default route and those to the API and the resolver. Raises OSError when it is in neither.
    """

    def move() -> bool:
        with open_route() as route, network.namespace.open("rb") as target:
            for index in route.link_lookup(address=plan.mac):
                name = str(route.get_links(index)[0].get("ifname"))
                # Renamed in the same request: each change of name or namespace waits for all processors.
                route.link("set", index=index, net_ns_fd=target.fileno(), ifname=plan.device, ifalias=name)
                return True
            return False

    moved = in_namespace(agent_namespace, move)

    def configure() -> None:
        with open_route() as route:
            found = route.link_lookup(address=plan.mac)
            if not found:
                where = "after it was moved" if moved else "in the agent's or the task's namespace"
                raise OSError(errno.ENODEV, f"no interface with MAC {plan.mac} {where}")
            index = found[0]
            add_address(route, index, str(plan.address.ip), plan.address.network.prefixlen)
            route.link("set", index=index, state="up")
            if default:
                route.route("replace", dst="default", gateway=str(plan.gateway), oif=index)
                for address in (GATEWAY_ADDRESS, RESOLVER_ADDRESS):
                    route.route("replace", dst=f"{address}/32", gateway=str(plan.gateway), oif=index)

    in_namespace(network.namespace, configure)


def release(agent_namespace: Path | None, network: TaskNetwork) -> None:
    """Give the interfaces back to the agent's namespace under their old names, and delete the rest."""
    if namespace_exists(network.namespace):

        def give_back() -> None:
            with open_route() as route, _namespace_fd(agent_namespace) as target:
                for link in route.get_links():
                    if link.get("ifname") in ("lo", LINK_DEVICE):
                        continue
                    name = str(link.get("ifalias") or link.get("ifname"))
                    with tolerating(errno.ENODEV, errno.EEXIST):
                        route.link("set", index=link["index"], net_ns_fd=target, ifname=name)

        in_namespace(network.namespace, give_back)

    def remove_port() -> None:
        with open_route() as route:
            for index in route.link_lookup(ifname=network.port):
                with tolerating(errno.ENODEV):
                    route.link("del", index=index)
            for index in route.link_lookup(ifname=BRIDGE) if network.link_address else ():
                with tolerating(errno.ENOENT):
                    route.neigh("del", ifindex=index, dst=network.link_address)

    in_namespace(agent_namespace, remove_port)
    delete_namespace(network.namespace)


@contextlib.contextmanager
def _namespace_fd(path: Path | None) -> Generator[int]:
    fd = os.open(path or f"/proc/{os.getpid()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
