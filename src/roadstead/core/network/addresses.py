"""Addresses of subnets and interfaces.

AWS keeps the first four addresses and the last of every subnet for itself
(https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
"""

from __future__ import annotations

from collections.abc import Set
from ipaddress import IPv4Address, IPv4Network

DEFAULT_VPC_CIDR = "172.31.0.0/16"
DEFAULT_ZONES = ("a", "b", "c")
RESERVED_AT_START = 4
RESERVED_AT_END = 1


def default_subnets(cidr: str = DEFAULT_VPC_CIDR) -> list[tuple[str, str]]:
    """Zone letter and CIDR of each default subnet: consecutive /20 networks."""
    networks = IPv4Network(cidr).subnets(new_prefix=20)
    return [(zone, str(network)) for zone, network in zip(DEFAULT_ZONES, networks, strict=False)]


def usable_addresses(network: IPv4Network) -> int:
    """How many addresses of the subnet can be given to interfaces."""
    return network.num_addresses - RESERVED_AT_START - RESERVED_AT_END


def router(network: IPv4Network) -> IPv4Address:
    """The subnet's gateway: its first address after the network's own."""
    return network[1]


def next_free(network: IPv4Network, *, start: int, taken: Set[str]) -> tuple[IPv4Address, int] | None:
    """A free address and the offset where the next search begins, or None when the subnet is full.

    The search goes around from `start`, so that an address rests before it is given again.
    """
    usable = usable_addresses(network)
    for step in range(usable):
        offset = RESERVED_AT_START + (start - RESERVED_AT_START + step) % usable
        if str(network[offset]) not in taken:
            following = offset + 1
            return network[offset], RESERVED_AT_START + (following - RESERVED_AT_START) % usable
    return None


def mac_address(entropy: bytes) -> str:
    """A locally administered unicast MAC from six random bytes, with the prefix 0a that EC2's have."""
    if len(entropy) < 5:
        raise ValueError("a MAC needs at least five random bytes")
    return ":".join(f"{byte:02x}" for byte in (0x0A, *entropy[:5]))


def private_dns_name(address: str, region: str) -> str:
    """The private DNS name of an address: `ip-172-31-0-10.ec2.internal`, elsewhere `ip-….REGION.compute.internal`."""
    domain = dns_domain(region)
    return f"ip-{address.replace('.', '-')}.{domain}"


def dns_domain(region: str) -> str:
    """The domain of private DNS names in a region."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
