"""Links, addresses and routes of one network namespace, through pyroute2, with types and plain OSErrors."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol, cast

from pyroute2 import IPRoute  # pyright: ignore[reportMissingTypeStubs]
from pyroute2.netlink.exceptions import NetlinkError  # pyright: ignore[reportMissingTypeStubs]

UNICAST = "unicast"
UNREACHABLE = "unreachable"

_ROUTE_TYPES = {
    1: UNICAST,
    2: "local",
    3: "broadcast",
    4: "anycast",
    5: "multicast",
    6: "blackhole",
    7: UNREACHABLE,
    8: "prohibit",
}
_MAIN_TABLE = 254
_IFF_UP = 1
_ADDR_GEN_MODE_NONE = 1


class _Message(Protocol):
    def get(self, key: str, default: object = None, /) -> object: ...


class _Requests(Protocol):
    """What this module uses of pyroute2's IPRoute."""

    def link(self, command: str, **arguments: object) -> Iterable[_Message]: ...
    def get_links(self) -> Iterable[_Message]: ...
    def addr(self, command: str, **arguments: object) -> Iterable[_Message]: ...
    def get_addr(self, **arguments: object) -> Iterable[_Message]: ...
    def route(self, command: str, **arguments: object) -> Iterable[_Message]: ...
    def get_routes(self, **arguments: object) -> Iterable[_Message]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. `master` is the index of its bridge, 0 without one."""

    name: str
    index: int
    alias: str
    mac: str
    up: bool
    master: int


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """An IPv4 route of any table. `kind` is unicast, unreachable, local, …; `link` is empty where it has none."""

    destination: IPv4Network
    kind: str
    link: str = ""
    via: IPv4Address | None = None
    source: IPv4Address | None = None
    metric: int = 0


@contextmanager
def _errors(what: str) -> Generator[None]:
    try:
        yield
    except NetlinkError as error:
        code = cast("int", error.code)  # pyright: ignore[reportUnknownMemberType]
        raise OSError(code, f"{what}: {error}") from error


class Netlink:
    """Bound to the namespace of the thread that makes it, and used by that thread only. Every call may raise OSError."""

    def __init__(self) -> None:
        # pyroute2 runs a loop of its own for each call; uvloop's, which a policy may make the default, knows no netlink.
        self._loop = asyncio.SelectorEventLoop()
        self._requests = cast("_Requests", IPRoute(use_event_loop=self._loop))

    def close(self) -> None:
        """Close the socket."""
        self._requests.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def links(self) -> tuple[Link, ...]:
        """All interfaces of the namespace."""
        with _errors("links"):
            return tuple(_link(message) for message in self._requests.get_links())

    def link(self, name: str) -> Link | None:
        """The interface `name`, None when there is none."""
        try:
            with _errors(f"link {name}"):
                for message in self._requests.link("get", ifname=name):
                    return _link(message)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
        return None

    def add_bridge(self, name: str, mac: str) -> None:
        """Make a bridge that forwards at once and sends nothing of its own."""
        with _errors(f"add bridge {name}"):
            self._requests.link(
                "add", ifname=name, kind="bridge", address=mac, br_stp_state=0, br_forward_delay=0, br_mcast_snooping=0
            )

    def add_veth(
        self, name: str, *, far_name: str, far_namespace: int, far_mac: str | None = None, master: int = 0
    ) -> None:
        """Make a pair in one step: this end up (on the bridge `master`), the far end down in the namespace of the descriptor."""
        far: dict[str, object] = {"ifname": far_name, "net_ns_fd": far_namespace}
        if far_mac is not None:
            far["address"] = far_mac
        ours: dict[str, object] = {"master": master} if master else {}
        with _errors(f"add veth {name}"):
            self._requests.link("add", ifname=name, kind="veth", peer=far, state="up", **ours)

    def set_link(self, name: str, *, up: bool = False, alias: str | None = None, master: int | None = None) -> None:
        """Change an interface: bring it up, name what it stands for, put it on a bridge."""
        wanted: dict[str, object] = {}
        if up:
            wanted["state"] = "up"
        if alias is not None:
            wanted["ifalias"] = alias
        if master is not None:
            wanted["master"] = master
        with _errors(f"set link {name}"):
            self._requests.link("set", ifname=name, **wanted)

    def without_ipv6_address(self, name: str) -> None:
        """Keep the kernel from giving the interface an IPv6 link-local address."""
        with _errors(f"set link {name}"):
            self._requests.link(
                "set",
                ifname=name,
                IFLA_AF_SPEC={"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", _ADDR_GEN_MODE_NONE)]})]},
            )

    def delete_link(self, name: str) -> None:
        """Delete an interface (both ends of a veth pair); a missing one is fine."""
        try:
            with _errors(f"delete link {name}"):
                self._requests.link("del", ifname=name)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def addresses(self, index: int) -> frozenset[str]:
        """The interface's IPv4 addresses, each with its prefix length."""
        with _errors(f"addresses of {index}"):
            messages = self._requests.get_addr(family=socket.AF_INET, index=index)
            return frozenset(f"{message.get('local')}/{message.get('prefixlen')}" for message in messages)

    def add_address(self, index: int, address: str) -> None:
        """Add an IPv4 address `a.b.c.d/len`; one that is there is fine."""
        host, _, length = address.partition("/")
        try:
            with _errors(f"add address {address}"):
                self._requests.addr("add", index=index, address=host, prefixlen=int(length))
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise

    def delete_address(self, index: int, address: str) -> None:
        """Delete an IPv4 address `a.b.c.d/len`; a missing one is fine."""
        host, _, length = address.partition("/")
        try:
            with _errors(f"delete address {address}"):
                self._requests.addr("del", index=index, address=host, prefixlen=int(length))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise

    def routes(self) -> tuple[RouteEntry, ...]:
        """All IPv4 routes of all tables."""
        names = {link.index: link.name for link in self.links()}
        with _errors("routes"):
            return tuple(_route(message, names) for message in self._requests.get_routes(family=socket.AF_INET))

    def add_route(self, route: RouteEntry) -> None:
        """Add to the main table; one that is there is fine."""
        try:
            with _errors(f"add route {route.destination}"):
                self._requests.route("add", **self._route_arguments(route))
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise

    def delete_route(self, route: RouteEntry) -> None:
        """Delete from the main table; a missing one is fine."""
        try:
            with _errors(f"delete route {route.destination}"):
                self._requests.route("del", **self._route_arguments(route))
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.ENOENT):
                raise

    def _route_arguments(self, route: RouteEntry) -> dict[str, object]:
        arguments: dict[str, object] = {
            "dst": str(route.destination),
            "type": route.kind,
            "table": _MAIN_TABLE,
            "priority": route.metric,
        }
        if route.via is not None:
            arguments |= {"gateway": str(route.via), "flags": ["onlink"]}
        elif route.link:
            arguments["scope"] = "link"
        if route.source is not None:
            arguments["prefsrc"] = str(route.source)
        if route.link:
            link = self.link(route.link)
            if link is None:
                raise OSError(errno.ENODEV, f"route over {route.link}: no such interface")
            arguments["oif"] = link.index
        return arguments


def _link(message: _Message) -> Link:
    return Link(
        name=cast("str", message.get("ifname")),
        index=cast("int", message.get("index")),
        alias=cast("str", message.get("ifalias") or ""),
        mac=cast("str", message.get("address") or ""),
        up=bool(cast("int", message.get("flags")) & _IFF_UP),
        master=cast("int", message.get("master") or 0),
    )


def _route(message: _Message, names: dict[int, str]) -> RouteEntry:
    length = cast("int", message.get("dst_len"))
    via = cast("str | None", message.get("gateway"))
    source = cast("str | None", message.get("prefsrc"))
    return RouteEntry(
        destination=IPv4Network(f"{message.get('dst') or '0.0.0.0'}/{length}"),
        kind=_ROUTE_TYPES.get(cast("int", message.get("type")), "other"),
        link=names.get(cast("int", message.get("oif") or 0), ""),
        via=IPv4Address(via) if via else None,
        source=IPv4Address(source) if source else None,
        metric=cast("int", message.get("priority") or 0),
    )
