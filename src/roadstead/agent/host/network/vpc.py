"""VPCs: a network namespace that routes, tied to the host by an uplink.

The host's end of every uplink has the same link-local address, and so has the VPC's end: each pair is a link of its own,
so no addresses have to be handed out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from roadstead.agent.host.network.kernel import Kernel
from roadstead.agent.host.network.names import (
    LinkRole,
    check_namespace,
    link_name,
    route_metric,
    unreachable_metric,
)
from roadstead.agent.host.network.netlink import UNICAST, UNREACHABLE, RouteEntry
from roadstead.agent.host.network.objects import (
    HOST,
    Address,
    Endpoints,
    HostRoute,
    KernelObject,
    Namespace,
    Observation,
    Remove,
    Route,
    Step,
    Sysctl,
    Target,
    Uplink,
    steps,
)
from roadstead.agent.host.network.overlap import Conflict, HostFacts, conflict
from roadstead.agent.host.network.rules import port_rules, router_rules
from roadstead.agent.host.reconcile.model import Desired, Goal, InvalidSpec, Plan, Reference
from roadstead.kernel.settings import GATEWAY_ADDRESS, RESOLVER_ADDRESS
from roadstead.wire.hosts import Condition, Kind, VpcSpec

HOST_ROUTE = "HostRoute"

HOST_END = IPv4Address("169.254.170.5")
"""The host's address on every uplink, and the source of its connections into VPCs."""

VPC_END = IPv4Address("169.254.170.6")
"""A VPC's address on its uplink: the next hop of the host's route."""

_NAME_PREFIX = "vpc-"
_EVERYTHING = IPv4Network("0.0.0.0/0")
_PREFIXES = range(16, 29)
_NOT_FOR_VPCS = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
_SYSCTLS = (
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "1"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv6/conf/all/disable_ipv6", "1"),
    ("net/ipv6/conf/default/disable_ipv6", "1"),
    ("net/bridge/bridge-nf-call-iptables", "0"),
    ("net/bridge/bridge-nf-call-ip6tables", "0"),
    ("net/bridge/bridge-nf-call-arptables", "0"),
)


@dataclass(frozen=True, slots=True)
class VpcParts:
    """All objects of one VPC, in the order of making: the host's unreachable route first, its real route last."""

    unreachable: HostRoute
    inside: tuple[KernelObject, ...]
    uplink: Uplink
    endpoints: Endpoints
    route: HostRoute
    namespace: Namespace

    def target(self, goal: Goal, against: Conflict | None) -> Target:
        """What shall be there. After deletion the unreachable route stays: no packet for the VPC leaves the machine."""
        if goal is Goal.ABSENT:
            return Target(unwanted=(self.endpoints, self.route, self.uplink, self.namespace))
        if against is not None:
            unwanted = (self.route,) if against.same_cidr else (self.route, self.unreachable)
            return Target(wanted=self.inside, unwanted=unwanted)
        return Target(wanted=(self.unreachable, *self.inside, self.route))


def vpc_cidr(text: str) -> IPv4Network:
    """A VPC's CIDR (/16 to /28, as EC2 has it); raises ValueError, also for ranges that a machine keeps for itself."""
    cidr = IPv4Network(text)
    if cidr.prefixlen not in _PREFIXES or any(cidr.overlaps(network) for network in _NOT_FOR_VPCS):
        raise ValueError(f"not a VPC's CIDR: {text!r}")
    return cidr


def vpc_parts(tag: str, vpc_id: str, spec: VpcSpec) -> VpcParts:
    """What a VPC is made of; raises ValueError for a CIDR or name that can't be."""
    cidr = vpc_cidr(spec.cidr)
    name = check_namespace(vpc_id)
    if not name.startswith(_NAME_PREFIX):
        raise ValueError(f"not a VPC's id: {vpc_id!r}")
    uplink = Uplink(namespace=name, name=link_name(LinkRole.UPLINK, tag, vpc_id), alias=vpc_id)
    gateway = IPv4Address(GATEWAY_ADDRESS)
    resolvers = (IPv4Address(RESOLVER_ADDRESS), cidr.network_address + 2)
    namespace = Namespace(name)
    endpoints = Endpoints(
        namespace=name,
        cidr=cidr,
        resolvers=resolvers,
        gateway=gateway,
        gateway_port=spec.gateway_port,
        dns_domain=spec.dns_domain,
        registry_hosts=spec.registry_hosts,
    )
    elsewhere = RouteEntry(_EVERYTHING, UNREACHABLE, metric=unreachable_metric(tag))
    to_host = RouteEntry(IPv4Network(HOST_END), UNICAST, link=uplink.name, source=VPC_END)
    inside: tuple[KernelObject, ...] = (
        namespace,
        *(Sysctl(name, key, value) for key, value in _SYSCTLS),
        router_rules(
            namespace=name,
            tag=tag,
            uplink=uplink.name,
            host=HOST_END,
            gateway=(gateway, spec.gateway_port),
            resolvers=resolvers,
        ),
        port_rules(namespace=name, tag=tag),
        *(Address(name, "lo", f"{address}/32") for address in (gateway, *resolvers)),
        Route(name, elsewhere),
        uplink,
        Address(HOST, uplink.name, f"{HOST_END}/32"),
        Address(name, uplink.name, f"{VPC_END}/32"),
        Route(name, to_host),
        endpoints,
    )
    return VpcParts(
        unreachable=HostRoute(RouteEntry(cidr, UNREACHABLE, metric=unreachable_metric(tag)), uplink.name),
        inside=inside,
        uplink=uplink,
        endpoints=endpoints,
        route=HostRoute(
            RouteEntry(cidr, UNICAST, link=uplink.name, via=VPC_END, source=HOST_END, metric=route_metric(tag)),
            uplink.name,
        ),
        namespace=namespace,
    )


@dataclass(frozen=True, slots=True)
class ObservedVpc:
    """What there is of a VPC, and what the host routes besides."""

    target: Target
    against: Conflict | None
    objects: Observation


class VpcReconciler:
    """Makes and frees VPCs."""

    kind = Kind.VPC.value
    spec_type = VpcSpec

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def references(self, spec: VpcSpec) -> tuple[Reference, ...]:
        """A VPC stands on nothing."""
        del spec
        return ()

    async def observe(self, desired: Desired[VpcSpec]) -> ObservedVpc:
        """What there is of it; raises InvalidSpec for a spec that can't be carried out."""
        parts = self._parts(desired)
        against = decide_route(parts, tag=self._kernel.tag, facts=await self._kernel.facts())
        target = parts.target(desired.goal, against)
        return ObservedVpc(target, against, await self._kernel.observe_target(target))

    def plan(self, desired: Desired[VpcSpec], observed: ObservedVpc) -> Plan[Step]:
        """The steps to it, and whether the host can reach it."""
        return Plan(steps(observed.target, observed.objects), route_conditions(desired.goal, observed.against))

    async def carry_out(self, action: Step) -> None:
        """Do one step."""
        await self._kernel.carry_out(action)

    async def sweep(self, present: Sequence[Desired[VpcSpec]]) -> None:
        """Free namespaces of VPCs that are gone, and uplinks whose namespace was lost."""
        kept = {desired.id for desired in present}
        for name in self._kernel.namespaces():
            if name.startswith(_NAME_PREFIX) and name not in kept:
                await self._kernel.delete_links(HOST, [link_name(LinkRole.UPLINK, self._kernel.tag, name)])
                await self._kernel.carry_out(Remove(Namespace(name)))
        uplinks = {link_name(LinkRole.UPLINK, self._kernel.tag, vpc_id) for vpc_id in kept}
        found = await self._kernel.links(HOST, LinkRole.UPLINK)
        await self._kernel.delete_links(HOST, [link.name for link in found if link.name not in uplinks])

    def _parts(self, desired: Desired[VpcSpec]) -> VpcParts:
        try:
            return vpc_parts(self._kernel.tag, desired.id, desired.spec)
        except ValueError as error:
            raise InvalidSpec(str(error)) from error


def decide_route(parts: VpcParts, *, tag: str, facts: HostFacts) -> Conflict | None:
    """Why the host gets no route to this VPC, None when it gets one."""
    return conflict(parts.route.entry.destination, uplink=parts.uplink.name, tag=tag, facts=facts)


def route_conditions(goal: Goal, against: Conflict | None) -> tuple[Condition, ...]:
    """The HostRoute condition of a VPC that shall be there."""
    if goal is Goal.ABSENT:
        return ()
    if against is None:
        return (Condition(type=HOST_ROUTE, status="True"),)
    return (Condition(type=HOST_ROUTE, status="False", reason=against.reason, message=against.message),)
