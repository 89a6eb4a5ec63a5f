"""DescribeNetworkInterfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select

from roadstead.services.ec2.describe import Kind, described, region_key, response, truth
from roadstead.services.ec2.records import NetworkInterface, interface_of
from roadstead.services.ec2.tables import network_interfaces, security_groups, subnets
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import DescribeNetworkInterfacesRequestTypeDef

Shape = dict[str, Any]

KIND = Kind[NetworkInterface](
    table=network_interfaces,
    prefix="eni",
    noun="networkInterface ID",
    code="InvalidNetworkInterfaceID.NotFound",
    ids_member="NetworkInterfaceIds",
    of=interface_of,
    fields={
        "network-interface-id": lambda eni: [eni.id],
        "subnet-id": lambda eni: [eni.subnet_id],
        "vpc-id": lambda eni: [eni.vpc_id],
        "availability-zone": lambda eni: [eni.zone],
        "private-ip-address": lambda eni: [eni.private_ip],
        "addresses.private-ip-address": lambda eni: [eni.private_ip],
        "addresses.primary": lambda _: ["true"],
        "private-dns-name": lambda eni: [eni.private_dns_name],
        "mac-address": lambda eni: [eni.mac_address],
        "group-id": lambda eni: eni.security_group_ids,
        "status": lambda eni: [eni.status],
        "description": lambda eni: [eni.description],
        "interface-type": lambda eni: [eni.interface_type],
        "owner-id": lambda eni: [eni.account],
        "requester-id": lambda eni: [eni.requester_id],
        "requester-managed": lambda eni: truth(eni.requester_managed),
        "attachment.attachment-id": lambda eni: [eni.attachment["AttachmentId"]] if eni.attachment else [],
        "attachment.status": lambda eni: ["attached"] if eni.attachment else [],
        "source-dest-check": lambda _: ["true"],
    },
    tags=lambda eni: eni.tags,
)


@operation("ec2:DescribeNetworkInterfaces", keys=region_key, reads=True)
async def describe_network_interfaces(ctx: Context, request: DescribeNetworkInterfacesRequestTypeDef) -> Shape:
    """Network interfaces by ids or filters."""
    found, token = await described(ctx, cast("Shape", request), "DescribeNetworkInterfaces", KIND)
    names = await _group_names(ctx)
    zone_ids = await _zone_ids(ctx, sorted({eni.subnet_id for eni in found}))
    views = [_view(eni, names, zone_ids.get(eni.subnet_id, "")) for eni in found]
    return response("NetworkInterfaces", views, token)


async def _group_names(ctx: Context) -> dict[str, str]:
    groups = security_groups.c
    query = select(groups.id, groups.name).where(groups.account == ctx.account, groups.region == ctx.region)
    return {str(id): str(name) for id, name in await ctx.tx.execute(query)}


async def _zone_ids(ctx: Context, ids: list[str]) -> dict[str, str]:
    query = select(subnets.c.id, subnets.c.zone_id).where(
        subnets.c.account == ctx.account, subnets.c.region == ctx.region, subnets.c.id.in_(ids)
    )
    return {str(id): str(zone_id) for id, zone_id in await ctx.tx.execute(query)}


def _view(eni: NetworkInterface, group_names: dict[str, str], zone_id: str) -> Shape:
    view: Shape = {
        "NetworkInterfaceId": eni.id,
        "SubnetId": eni.subnet_id,
        "VpcId": eni.vpc_id,
        "AvailabilityZone": eni.zone,
        "AvailabilityZoneId": zone_id,
        "MacAddress": eni.mac_address,
        "PrivateIpAddress": eni.private_ip,
        "PrivateDnsName": eni.private_dns_name,
        "PrivateIpAddresses": [
            {"Primary": True, "PrivateIpAddress": eni.private_ip, "PrivateDnsName": eni.private_dns_name}
        ],
        "Ipv6Addresses": [],
        "Groups": [{"GroupId": id, "GroupName": group_names.get(id, "")} for id in eni.security_group_ids],
        "Status": eni.status,
        "Description": eni.description,
        "InterfaceType": eni.interface_type,
        "OwnerId": eni.account,
        "RequesterId": eni.requester_id,
        "RequesterManaged": eni.requester_managed,
        "SourceDestCheck": True,
        "TagSet": eni.tags,
    }
    if eni.attachment:
        view["Attachment"] = {
            **eni.attachment,
            "Status": "attached",
            "AttachTime": eni.created_at,
            "DeleteOnTermination": False,
            "InstanceOwnerId": "amazon-ecs" if eni.requester_managed else eni.account,
        }
    return view
