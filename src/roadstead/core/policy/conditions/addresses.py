"""IpAddress and NotIpAddress: an address or a CIDR block, of IPv4 or IPv6."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from roadstead.core.policy.conditions.operator import BadValue, Operator, pair
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.variables import TextTest


@lru_cache(maxsize=1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _within(value: str, variables: bool) -> TextTest:
    del variables
    try:
        network = ip_network(value, strict=False)
    except ValueError as error:
        raise BadValue("must be an IP address or a CIDR block") from error

    def test(actual: str, context: RequestContext) -> bool:
        del context
        found = _address(actual)
        return found is not None and found.version == network.version and found in network

    return test


OPERATORS: tuple[Operator, ...] = pair("IpAddress", "NotIpAddress", _within)
