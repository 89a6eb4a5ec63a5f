"""Elastic network interfaces: a veth pair from the subnet's bridge to the namespace that the ecs role takes it from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address

from roadstead.agent.host.network.kernel import Kernel
from roadstead.agent.host.network.names import POOL, LinkRole, check_namespace, link_name, table_name
from roadstead.agent.host.network.objects import NameRecord, Namespace, Observation, Permit, Port, Step, Target, steps
from roadstead.agent.host.reconcile.model import Desired, Goal, InvalidSpec, Plan, Reference
from roadstead.wire.hosts import InterfaceSpec, Kind

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def interface_target(tag: str, desired: Desired[InterfaceSpec]) -> Target:
    """What shall be there of an interface; raises ValueError for an address or name that can't be."""
    spec = desired.spec
    mac = spec.mac_address.lower()
    if not _MAC.fullmatch(mac):
        raise ValueError(f"not a MAC address: {spec.mac_address!r}")
    namespace = check_namespace(spec.vpc_id)
    address = IPv4Address(spec.private_ip)
    port = Port(
        namespace=namespace,
        name=link_name(LinkRole.PORT, tag, desired.id),
        bridge=link_name(LinkRole.BRIDGE, tag, spec.subnet_id),
        far_namespace=check_namespace(spec.attach_to),
        far_name=link_name(LinkRole.INTERFACE, tag, desired.id),
        far_mac=mac,
        alias=desired.id,
    )
    permit = Permit(namespace, table_name(tag), port.name, mac, address)
    record = NameRecord(namespace, desired.id, spec.hostname, address)
    if desired.goal is Goal.ABSENT:
        return Target(unwanted=(record, port, permit))
    pool = (Namespace(POOL),) if port.far_namespace == POOL else ()
    return Target(wanted=(*pool, permit, port, record))


class InterfaceReconciler:
    """Makes and frees interfaces.

    An interface whose far end was moved into a task is left alone. One that died with a task's namespace and is
    still wanted is made again, where it first appeared.
    """

    kind = Kind.INTERFACE.value
    spec_type = InterfaceSpec

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def references(self, spec: InterfaceSpec) -> tuple[Reference, ...]:
        """An interface stands on its subnet, which stands on the VPC."""
        return (Reference(Kind.SUBNET.value, spec.subnet_id),)

    async def observe(self, desired: Desired[InterfaceSpec]) -> Observation:
        """What there is of it; raises InvalidSpec for a spec that can't be carried out."""
        return await self._kernel.observe_target(self._target(desired))

    def plan(self, desired: Desired[InterfaceSpec], observed: Observation) -> Plan[Step]:
        """The steps to it."""
        return Plan(steps(self._target(desired), observed))

    async def carry_out(self, action: Step) -> None:
        """Do one step."""
        await self._kernel.carry_out(action)

    async def sweep(self, present: Sequence[Desired[InterfaceSpec]]) -> None:
        """Delete the ports of interfaces that are gone, wherever their far ends are."""
        kept = {link_name(LinkRole.PORT, self._kernel.tag, desired.id) for desired in present}
        await self._kernel.sweep_links(LinkRole.PORT, kept)

    def _target(self, desired: Desired[InterfaceSpec]) -> Target:
        try:
            return interface_target(self._kernel.tag, desired)
        except ValueError as error:
            raise InvalidSpec(str(error)) from error
