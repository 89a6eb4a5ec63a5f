"""Subnets: a bridge in the VPC's namespace, with the router at the first address of the CIDR."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from roadstead.agent.host.network.kernel import Kernel
from roadstead.agent.host.network.names import LinkRole, check_namespace, link_name, router_mac
from roadstead.agent.host.network.objects import Address, Bridge, Observation, Step, Target, steps
from roadstead.agent.host.reconcile.model import Desired, Goal, InvalidSpec, Plan, Reference
from roadstead.wire.hosts import Kind, SubnetSpec


def subnet_target(tag: str, desired: Desired[SubnetSpec]) -> Target:
    """What shall be there of a subnet; raises ValueError for a CIDR or name that can't be."""
    cidr = IPv4Network(desired.spec.cidr)
    namespace = check_namespace(desired.spec.vpc_id)
    name = link_name(LinkRole.BRIDGE, tag, desired.id)
    bridge = Bridge(namespace, name, mac=router_mac(desired.id), alias=desired.id)
    if desired.goal is Goal.ABSENT:
        return Target(unwanted=(bridge,))
    return Target(wanted=(bridge, Address(namespace, name, f"{cidr.network_address + 1}/{cidr.prefixlen}")))


class SubnetReconciler:
    """Makes and frees subnets."""

    kind = Kind.SUBNET.value
    spec_type = SubnetSpec

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def references(self, spec: SubnetSpec) -> tuple[Reference, ...]:
        """A subnet stands on its VPC."""
        return (Reference(Kind.VPC.value, spec.vpc_id),)

    async def observe(self, desired: Desired[SubnetSpec]) -> Observation:
        """What there is of it; raises InvalidSpec for a spec that can't be carried out."""
        return await self._kernel.observe_target(self._target(desired))

    def plan(self, desired: Desired[SubnetSpec], observed: Observation) -> Plan[Step]:
        """The steps to it."""
        return Plan(steps(self._target(desired), observed))

    async def carry_out(self, action: Step) -> None:
        """Do one step."""
        await self._kernel.carry_out(action)

    async def sweep(self, present: Sequence[Desired[SubnetSpec]]) -> None:
        """Delete bridges of subnets that are gone."""
        kept = {link_name(LinkRole.BRIDGE, self._kernel.tag, desired.id) for desired in present}
        await self._kernel.sweep_links(LinkRole.BRIDGE, kept)

    def _target(self, desired: Desired[SubnetSpec]) -> Target:
        try:
            return subnet_target(self._kernel.tag, desired)
        except ValueError as error:
            raise InvalidSpec(str(error)) from error
