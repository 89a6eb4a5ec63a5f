"""The things that networks are made of, as values. A plan says which of them to make or remove; `kernel/` knows how.

`namespace` is a name in the NamespaceDirectory, or HOST for the network namespace that the role runs in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network

from roadstead.agent.host.network.netlink import RouteEntry

HOST = ""


class Presence(Enum):
    """How much of an object there is."""

    ABSENT = "absent"
    PARTIAL = "partial"
    """Something is there that must be finished or corrected."""
    FITS = "fits"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A named network namespace, with its loopback up."""

    name: str

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.name


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A sysctl of a namespace of ours, by its path below /proc/sys. One that the kernel lacks counts as set."""

    namespace: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge, up, with a MAC address of its own. `alias` is written last: it says that the bridge is whole."""

    namespace: str
    name: str
    mac: str
    alias: str


@dataclass(frozen=True, slots=True)
class Uplink:
    """A veth pair of one name between the host and `namespace`, both ends up. `alias` is written last, on the host's end."""

    namespace: str
    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class Port:
    """An interface: a veth pair whose near end is up on a bridge and whose far end starts in `far_namespace`.

    The far end may be moved on into a task's namespace, and both ends die with it. `alias` is written last, on the near end.
    """

    namespace: str
    name: str
    bridge: str
    far_namespace: str
    far_name: str
    far_mac: str
    alias: str


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 address with its prefix length on a link."""

    namespace: str
    link: str
    address: str


@dataclass(frozen=True, slots=True)
class Route:
    """A route in the main table of a namespace."""

    namespace: str
    entry: RouteEntry


@dataclass(frozen=True, slots=True)
class HostRoute:
    """The host's route to the VPC behind `uplink`: made only while nothing of the host overlaps it, checked under a lock."""

    entry: RouteEntry
    uplink: str

    @property
    def namespace(self) -> str:
        """Always the host's."""
        return HOST


@dataclass(frozen=True, slots=True)
class Chain:
    """A base chain of nftables: its hook line and its rules, in nft's own syntax."""

    name: str
    hook: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """An nftables table. `sets` keep their elements when the chains change."""

    namespace: str
    family: str
    table: str
    sets: tuple[tuple[str, str], ...]
    chains: tuple[Chain, ...]

    @property
    def generation(self) -> str:
        """The name of an empty chain that tells which ruleset the table holds."""
        return f"generation-{sha256(repr((self.sets, self.chains)).encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave for one MAC address and one IPv4 address to speak on a bridge port."""

    namespace: str
    table: str
    port: str
    mac: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class NameRecord:
    """A private DNS name that the VPC's resolver answers, and its reverse; `owner` is the interface."""

    namespace: str
    owner: str
    name: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What this process serves inside a VPC: DNS at `resolvers` port 53 and the gateway at `gateway`."""

    namespace: str
    cidr: IPv4Network
    resolvers: tuple[IPv4Address, ...]
    gateway: IPv4Address
    gateway_port: int
    dns_domain: str
    registry_hosts: tuple[str, ...]


KernelObject = (
    Namespace
    | Sysctl
    | Bridge
    | Uplink
    | Port
    | Address
    | Route
    | HostRoute
    | Ruleset
    | Permit
    | NameRecord
    | Endpoints
)


@dataclass(frozen=True, slots=True)
class Make:
    """Make an object, or finish or correct what there is of it."""

    thing: KernelObject


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove an object; what is already gone is fine."""

    thing: KernelObject


Step = Make | Remove


@dataclass(frozen=True, slots=True)
class Target:
    """What shall be there, in the order of making, and what shall not, in the order of removing."""

    wanted: tuple[KernelObject, ...] = ()
    unwanted: tuple[KernelObject, ...] = ()


Observation = dict[KernelObject, Presence]


def steps(target: Target, observed: Observation) -> tuple[Step, ...]:
    """What leads from `observed` to `target`: first remove, then make; nothing where it fits."""
    removals = [Remove(thing) for thing in target.unwanted if observed[thing] is not Presence.ABSENT]
    makings = [Make(thing) for thing in target.wanted if observed[thing] is not Presence.FITS]
    return (*removals, *makings)
