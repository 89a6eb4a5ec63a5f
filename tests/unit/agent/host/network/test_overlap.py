from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.agent.host.network.names import LinkRole, link_name, route_metric, unreachable_metric
from roadstead.agent.host.network.netlink import UNICAST, UNREACHABLE, RouteEntry
from roadstead.agent.host.network.overlap import HostFacts, conflict, covered_leftovers

TAG = "abc123"
OTHER_TAG = "def456"
CIDR = IPv4Network("172.31.0.0/16")
OURS = link_name(LinkRole.UPLINK, TAG, "vpc-1")
SECOND = link_name(LinkRole.UPLINK, TAG, "vpc-2")
FOREIGN = link_name(LinkRole.UPLINK, OTHER_TAG, "vpc-1")


def route(destination: str, kind: str = UNICAST, **more: object) -> RouteEntry:
    return RouteEntry(IPv4Network(destination), kind, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (route("0.0.0.0/0", link="eth0", via=IPv4Address("192.0.2.1")), None),
        (route("0.0.0.0/1", link="tun0"), None),
        (route("192.0.2.0/24", link="eth0"), None),
        (route("172.31.7.0/24", link="eth0"), "OverlapsHostRoute"),
        (route("172.16.0.0/12", link="tun0"), "OverlapsHostRoute"),
        (route("172.31.0.1/32", "local", link="eth0"), "OverlapsHostRoute"),
        (route("172.31.0.0/16", "blackhole"), "OverlapsHostRoute"),
        (route("0.0.0.0/0", link="eth0", via=IPv4Address("172.31.0.1")), "OverlapsGateway"),
        (route("172.31.0.0/16", link=OURS, metric=route_metric(TAG)), None),
        (route("172.31.0.0/16", UNREACHABLE, metric=unreachable_metric(TAG)), None),
        (route("172.31.0.0/16", link=SECOND, metric=route_metric(TAG)), "OverlapsVpc"),
        (route("172.31.16.0/20", link=SECOND, metric=route_metric(TAG)), "OverlapsVpc"),
        (route("172.31.0.0/16", link=FOREIGN, metric=route_metric(OTHER_TAG)), "OverlapsHostRoute"),
        (route("172.31.0.0/16", UNREACHABLE, metric=unreachable_metric(OTHER_TAG)), "OverlapsHostRoute"),
    ],
)
def test_what_of_the_host_stands_against_a_route(entry: RouteEntry, reason: str | None) -> None:
    found = conflict(CIDR, uplink=OURS, tag=TAG, facts=HostFacts(routes=(entry,)))
    assert (found.reason if found else None) == reason


def test_a_resolver_inside_stands_against_it() -> None:
    facts = HostFacts(resolvers=(IPv4Address("10.0.0.1"), IPv4Address("172.31.0.2")))
    found = conflict(CIDR, uplink=OURS, tag=TAG, facts=facts)
    assert found is not None
    assert found.reason == "OverlapsResolver"


def test_only_former_vpcs_inside_the_cidr_are_leftovers() -> None:
    inside = route("172.31.16.0/20", UNREACHABLE, metric=unreachable_metric(TAG))
    facts = HostFacts(
        routes=(
            inside,
            route("172.31.0.0/16", UNREACHABLE, metric=unreachable_metric(TAG)),
            route("10.0.0.0/16", UNREACHABLE, metric=unreachable_metric(TAG)),
            route("172.31.32.0/20", UNREACHABLE, metric=unreachable_metric(OTHER_TAG)),
            route("172.31.48.0/20", link=SECOND, metric=route_metric(TAG)),
        )
    )
    assert covered_leftovers(CIDR, tag=TAG, facts=facts) == (inside,)


networks = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(2, 32),
)


@given(st.lists(networks, max_size=5), networks)
def test_a_route_is_given_only_where_it_takes_nothing_from_the_host(
    routed: list[IPv4Network], cidr: IPv4Network
) -> None:
    facts = HostFacts(routes=tuple(RouteEntry(network, UNICAST, link="eth0") for network in routed))
    found = conflict(cidr, uplink=OURS, tag=TAG, facts=facts)
    assert (found is not None) == any(network.overlaps(cidr) for network in routed)
