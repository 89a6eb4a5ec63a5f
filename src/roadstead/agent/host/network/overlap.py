"""Whether the host may route a VPC's CIDR. Pure: facts in, the reason against it out."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from roadstead.agent.host.network.names import link_role, route_metric, unreachable_metric
from roadstead.agent.host.network.netlink import UNREACHABLE, RouteEntry

_WIDEST_DEFAULT = 1
"""Routes at most this long are default routes: 0.0.0.0/0, or its two halves as VPN clients set them."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the host routes and where it asks for names."""

    routes: tuple[RouteEntry, ...] = ()
    resolvers: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a CIDR gets no host route. `reason` is CamelCase, for the condition.

    `same_cidr`: another VPC of ours has the very same CIDR and the route to it, so the unreachable route is that one's as well.
    """

    reason: str
    message: str
    same_cidr: bool = False


def is_ours(tag: str, route: RouteEntry) -> bool:
    """Whether this deployment made the route, by its metric or its interface."""
    return route.metric in (route_metric(tag), unreachable_metric(tag)) or link_role(tag, route.link) is not None


def conflict(cidr: IPv4Network, *, uplink: str, tag: str, facts: HostFacts) -> Conflict | None:
    """What of the host `cidr` overlaps: a gateway, a resolver, a route, or the route of another VPC than the one behind `uplink`.

    This deployment's own unreachable routes don't count: they hold the place of VPCs that are gone or not there yet.
    """
    for route in facts.routes:
        if is_ours(tag, route):
            if route.link not in ("", uplink) and route.destination.overlaps(cidr):
                message = f"{cidr} overlaps another VPC's route {route.destination}"
                return Conflict("OverlapsVpc", message, same_cidr=route.destination == cidr)
            continue
        if route.via is not None and route.via in cidr:
            return Conflict("OverlapsGateway", f"{cidr} contains the host's gateway {route.via}")
        if route.destination.prefixlen > _WIDEST_DEFAULT and route.destination.overlaps(cidr):
            return Conflict("OverlapsHostRoute", f"{cidr} overlaps the host's {route.kind} route {route.destination}")
    for resolver in facts.resolvers:
        if resolver in cidr:
            return Conflict("OverlapsResolver", f"{cidr} contains the host's resolver {resolver}")
    return None


def covered_leftovers(cidr: IPv4Network, *, tag: str, facts: HostFacts) -> tuple[RouteEntry, ...]:
    """Unreachable routes of former VPCs inside `cidr`, which would hide a part of it."""
    return tuple(
        route
        for route in facts.routes
        if route.kind == UNREACHABLE
        and route.metric == unreachable_metric(tag)
        and route.destination != cidr
        and route.destination.subnet_of(cidr)
    )
