"""What other services ask of EC2's network. Every function works in the caller's transaction."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update

from roadstead.core.network.addresses import dns_domain, mac_address, next_free, private_dns_name
from roadstead.core.oci.ecr_hosts import AWS_SUFFIXES
from roadstead.kernel.ids import hex_id, resource_id
from roadstead.kernel.settings import Deployment
from roadstead.services.ec2.default_network import ensure_default_network
from roadstead.services.ec2.records import (
    NetworkInterface,
    SecurityGroup,
    Subnet,
    Vpc,
    interface_of,
    security_group_of,
    subnet_of,
    vpc_of,
)
from roadstead.services.ec2.tables import network_interfaces, security_groups, subnets, vpcs
from roadstead.services.hosts import api as hosts
from roadstead.store import Transaction
from roadstead.wire.hosts import InterfaceSpec, Kind, SubnetSpec, VpcSpec

POOL_NAMESPACE = "pool"
"""Where the Fargate pool's interfaces appear."""


class SubnetFull(Exception):
    """No address is left in the subnet."""


@dataclass(frozen=True, slots=True)
class DefaultNetwork:
    """The default VPC of an account and region; subnets in the order of their zones."""

    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_id: str


async def default_network(tx: Transaction, *, account: str, region: str) -> DefaultNetwork:
    """The default VPC with its subnets and security group; made on first use."""
    vpc_id = await ensure_default_network(tx, account=account, region=region)
    where = (subnets.c.account == account, subnets.c.region == region, subnets.c.vpc_id == vpc_id)
    found = (
        await tx.execute(select(subnets.c.id).where(*where, subnets.c.is_default.is_(True)).order_by(subnets.c.zone))
    ).scalars()
    group = await default_security_group(tx, account=account, region=region, vpc_id=vpc_id)
    return DefaultNetwork(vpc_id=vpc_id, subnet_ids=tuple(found), security_group_id=group.id)


async def default_security_group(tx: Transaction, *, account: str, region: str, vpc_id: str) -> SecurityGroup:
    """The group that an interface gets when none is named; raises IndexError for an unknown VPC."""
    query = select(security_groups).where(
        security_groups.c.account == account,
        security_groups.c.region == region,
        security_groups.c.vpc_id == vpc_id,
        security_groups.c.name == "default",
    )
    return security_group_of((await tx.execute(query)).mappings()[0])


async def vpc_by_id(tx: Transaction, *, account: str, region: str, id: str) -> Vpc | None:
    """The VPC, or None."""
    query = select(vpcs).where(vpcs.c.account == account, vpcs.c.region == region, vpcs.c.id == id)
    rows = (await tx.execute(query)).mappings()
    return vpc_of(rows[0]) if rows else None


async def subnet_by_id(tx: Transaction, *, account: str, region: str, id: str) -> Subnet | None:
    """The subnet, or None."""
    query = select(subnets).where(subnets.c.account == account, subnets.c.region == region, subnets.c.id == id)
    rows = (await tx.execute(query)).mappings()
    return subnet_of(rows[0]) if rows else None


async def security_group_by_id(tx: Transaction, *, account: str, region: str, id: str) -> SecurityGroup | None:
    """The security group, or None."""
    query = select(security_groups).where(
        security_groups.c.account == account, security_groups.c.region == region, security_groups.c.id == id
    )
    rows = (await tx.execute(query)).mappings()
    return security_group_of(rows[0]) if rows else None


async def interface_by_id(tx: Transaction, id: str) -> NetworkInterface | None:
    """The network interface of whichever account, or None."""
    rows = (await tx.execute(select(network_interfaces).where(network_interfaces.c.id == id))).mappings()
    return interface_of(rows[0]) if rows else None


async def create_interface(
    tx: Transaction,
    *,
    deployment: Deployment,
    subnet: Subnet,
    security_group_ids: list[str],
    host: str,
    attach_to: str,
    description: str,
    attachment: dict[str, Any] | None = None,
) -> NetworkInterface:
    """An interface with a free address of the subnet, owned by a service, and the host resource that makes it real.

    The subnet and its VPC are put on the host too, where they are not yet. `attach_to` names the namespace that the far end appears in.
    Raises SubnetFull.
    """
    vpc = await vpc_by_id(tx, account=subnet.account, region=subnet.region, id=subnet.vpc_id)
    if vpc is None:
        raise ValueError(f"subnet {subnet.id} lies in no VPC")
    address = await _take_address(tx, subnet)
    interface = NetworkInterface(
        account=subnet.account,
        region=subnet.region,
        id=resource_id("eni"),
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.id,
        zone=subnet.zone,
        mac_address=await _free_mac(tx),
        private_ip=address,
        private_dns_name=private_dns_name(address, subnet.region),
        security_group_ids=security_group_ids,
        status="in-use",
        description=description,
        interface_type="interface",
        requester_id="578734482556",
        requester_managed=True,
        attachment=attachment or {"AttachmentId": f"ela-attach-{hex_id(17)}", "DeviceIndex": 1},
        host=host,
        tags=[],
        created_at=tx.clock.now(),
    )
    await tx.execute(
        insert(network_interfaces).values({name: getattr(interface, name) for name in NetworkInterface.__slots__})
    )
    await place_subnet(tx, deployment=deployment, vpc=vpc, subnet=subnet, host=host)
    await hosts.put_resource(
        tx,
        kind=Kind.INTERFACE,
        id=interface.id,
        host=host,
        account=interface.account,
        region=interface.region,
        spec=InterfaceSpec(
            vpc_id=interface.vpc_id,
            subnet_id=interface.subnet_id,
            mac_address=interface.mac_address,
            private_ip=interface.private_ip,
            hostname=interface.private_dns_name,
            attach_to=attach_to,
        ),
    )
    return interface


async def request_interface_deletion(tx: Transaction, id: str) -> None:
    """Ask the host to take the interface away; its row and address stay until the host has done so."""
    await hosts.request_deletion(tx, kind=Kind.INTERFACE, id=id)


async def delete_interface(tx: Transaction, id: str) -> bool:
    """Free the interface's address and row once no host has anything of it left; False while one has."""
    await request_interface_deletion(tx, id)
    if not await interface_gone(tx, id):
        return False
    await tx.execute(delete(network_interfaces).where(network_interfaces.c.id == id))
    return True


async def interface_ready(tx: Transaction, id: str) -> bool:
    """Whether the host reports the interface as made."""
    return await hosts.is_ready(tx, kind=Kind.INTERFACE, id=id)


async def interface_gone(tx: Transaction, id: str) -> bool:
    """Whether no host has anything of the interface left."""
    return not await hosts.resource_exists(tx, kind=Kind.INTERFACE, id=id)


async def place_subnet(tx: Transaction, *, deployment: Deployment, vpc: Vpc, subnet: Subnet, host: str) -> None:
    """Put a VPC and one of its subnets on a host; nothing happens where they lie already."""
    registries = tuple(suffix.format(region=vpc.region) for suffix in AWS_SUFFIXES)
    if deployment.registry_wildcard:
        registries = (f"dkr.ecr.{vpc.region}.localhost", *registries)
    vpc_spec = VpcSpec(
        cidr=vpc.cidr,
        gateway_port=deployment.port,
        dns_domain=dns_domain(vpc.region),
        registry_hosts=registries,
    )
    subnet_spec = SubnetSpec(vpc_id=vpc.id, cidr=subnet.cidr, availability_zone=subnet.zone)
    owner = {"host": host, "account": vpc.account, "region": vpc.region}
    await hosts.put_resource(tx, kind=Kind.VPC, id=vpc.id, spec=vpc_spec, **owner)
    await hosts.put_resource(tx, kind=Kind.SUBNET, id=subnet.id, spec=subnet_spec, **owner)


async def _take_address(tx: Transaction, subnet: Subnet) -> str:
    # Read anew: several interfaces may be made in one transaction from one Subnet value.
    row = (await tx.execute(select(subnets.c.next_offset).where(_same(subnet)))).scalar_one()
    taken = (
        await tx.execute(select(network_interfaces.c.private_ip).where(network_interfaces.c.subnet_id == subnet.id))
    ).scalars()
    free = next_free(subnet.network, start=row, taken=frozenset(taken))
    if free is None:
        raise SubnetFull(subnet.id)
    address, following = free
    await tx.execute(update(subnets).where(_same(subnet)).values(next_offset=following))
    return str(address)


async def _free_mac(tx: Transaction) -> str:
    while True:
        mac = mac_address(secrets.token_bytes(5))
        if not len(await tx.execute(select(network_interfaces.c.id).where(network_interfaces.c.mac_address == mac))):
            return mac


def _same(subnet: Subnet):
    return (subnets.c.account == subnet.account) & (subnets.c.region == subnet.region) & (subnets.c.id == subnet.id)
