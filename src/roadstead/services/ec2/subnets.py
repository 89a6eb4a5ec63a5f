"""DescribeSubnets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, select

from roadstead.core.network.addresses import usable_addresses
from roadstead.services.ec2.default_network import ensure_default_network
from roadstead.services.ec2.describe import Kind, described, region_key, response, truth
from roadstead.services.ec2.records import Subnet, subnet_of
from roadstead.services.ec2.tables import network_interfaces, subnets
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import DescribeSubnetsRequestTypeDef

Shape = dict[str, Any]

KIND = Kind[Subnet](
    table=subnets,
    prefix="subnet",
    noun="subnet ID",
    code="InvalidSubnetID.NotFound",
    ids_member="SubnetIds",
    of=subnet_of,
    fields={
        "subnet-id": lambda subnet: [subnet.id],
        "vpc-id": lambda subnet: [subnet.vpc_id],
        "cidr-block": lambda subnet: [subnet.cidr],
        "cidr": lambda subnet: [subnet.cidr],
        "cidrBlock": lambda subnet: [subnet.cidr],
        "availability-zone": lambda subnet: [subnet.zone],
        "availabilityZone": lambda subnet: [subnet.zone],
        "availability-zone-id": lambda subnet: [subnet.zone_id],
        "availabilityZoneId": lambda subnet: [subnet.zone_id],
        "default-for-az": lambda subnet: truth(subnet.is_default),
        "defaultForAz": lambda subnet: truth(subnet.is_default),
        "map-public-ip-on-launch": lambda subnet: truth(subnet.map_public_ip),
        "owner-id": lambda subnet: [subnet.account],
        "state": lambda subnet: [subnet.state],
        "subnet-arn": lambda subnet: [arn(subnet)],
    },
    tags=lambda subnet: subnet.tags,
)


@operation("ec2:DescribeSubnets", keys=region_key)
async def describe_subnets(ctx: Context, request: DescribeSubnetsRequestTypeDef) -> Shape:
    """Subnets by ids or filters."""
    await ensure_default_network(ctx.tx, account=ctx.account, region=ctx.region)
    found, token = await described(ctx, cast("Shape", request), "DescribeSubnets", KIND)
    used = await _interfaces(ctx, [subnet.id for subnet in found])
    return response("Subnets", [_view(subnet, used.get(subnet.id, 0)) for subnet in found], token)


def arn(subnet: Subnet) -> str:
    """The subnet's ARN."""
    return f"arn:aws:ec2:{subnet.region}:{subnet.account}:subnet/{subnet.id}"


async def _interfaces(ctx: Context, ids: list[str]) -> dict[str, int]:
    query = (
        select(network_interfaces.c.subnet_id, func.count())
        .where(network_interfaces.c.subnet_id.in_(ids))
        .group_by(network_interfaces.c.subnet_id)
    )
    return {str(id): int(number) for id, number in await ctx.tx.execute(query)}


def _view(subnet: Subnet, interfaces: int) -> Shape:
    return {
        "SubnetId": subnet.id,
        "SubnetArn": arn(subnet),
        "VpcId": subnet.vpc_id,
        "OwnerId": subnet.account,
        "CidrBlock": subnet.cidr,
        "AvailableIpAddressCount": usable_addresses(subnet.network) - interfaces,
        "AvailabilityZone": subnet.zone,
        "AvailabilityZoneId": subnet.zone_id,
        "DefaultForAz": subnet.is_default,
        "MapPublicIpOnLaunch": subnet.map_public_ip,
        "MapCustomerOwnedIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": False,
        "Ipv6CidrBlockAssociationSet": [],
        "Ipv6Native": False,
        "EnableDns64": False,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "State": subnet.state,
        "Tags": subnet.tags,
    }
