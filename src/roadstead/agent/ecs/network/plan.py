"""What a task's namespace will hold, worked out before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from roadstead.wire.task import ElasticNetworkInterface

LINK_NETWORK = IPv4Network("169.254.172.0/22")
"""The addresses that tasks reach their credentials and metadata from."""
LINK_GATEWAY = IPv4Address("169.254.172.1")


class InvalidInterface(ValueError):
    """The control plane described an interface that can't be configured."""


class NoLinkAddress(Exception):
    """All of 169.254.172.0/22 is taken: too many tasks on this instance."""


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """One ENI in the namespace: `device` is eth0, eth1, …; `address` has the subnet's prefix length."""

    mac: str
    device: str
    address: IPv4Interface
    gateway: IPv4Address


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The interfaces of a task, the first of them with the default route."""

    interfaces: tuple[InterfacePlan, ...]
    nameservers: tuple[str, ...]
    search: tuple[str, ...]
    hostname: str


def plan_network(interfaces: Iterable[ElasticNetworkInterface], *, default_nameserver: str) -> NetworkPlan:
    """The plan for the interfaces of an ACS task, by their index; raises InvalidInterface."""
    ordered = sorted(interfaces, key=lambda interface: interface.index)
    if not ordered:
        raise InvalidInterface("the task has no network interface")
    plans = tuple(_plan(position, interface) for position, interface in enumerate(ordered))
    first = ordered[0]
    return NetworkPlan(
        interfaces=plans,
        nameservers=first.domain_name_servers or (default_nameserver,),
        search=first.domain_name,
        hostname=first.private_dns_name or f"ip-{str(plans[0].address.ip).replace('.', '-')}",
    )


def _plan(position: int, interface: ElasticNetworkInterface) -> InterfacePlan:
    addresses = sorted(interface.ipv4_addresses, key=lambda address: not address.primary)
    gateway, _, prefix = interface.subnet_gateway_ipv4_address.partition("/")
    if not addresses or not prefix:
        raise InvalidInterface(f"interface {interface.ec2_id} has no IPv4 address or no subnet gateway")
    try:
        return InterfacePlan(
            mac=interface.mac_address.lower(),
            device=f"eth{position}",
            address=IPv4Interface(f"{addresses[0].private_address}/{prefix}"),
            gateway=IPv4Address(gateway),
        )
    except ValueError as error:
        raise InvalidInterface(f"interface {interface.ec2_id}: {error}") from error


def free_link_address(taken: Iterable[str]) -> str:
    """The lowest address of 169.254.172.0/22 that no task holds; raises NoLinkAddress."""
    used = set(taken)
    for address in LINK_NETWORK.hosts():
        if address != LINK_GATEWAY and str(address) not in used:
            return str(address)
    raise NoLinkAddress("no address is left in 169.254.172.0/22")
