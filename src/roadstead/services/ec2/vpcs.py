"""DescribeVpcs. The first look at a region makes its default VPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from roadstead.services.ec2.default_network import ensure_default_network
from roadstead.services.ec2.describe import Kind, described, region_key, response, truth
from roadstead.services.ec2.records import Vpc, vpc_of
from roadstead.services.ec2.tables import vpcs
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import DescribeVpcsRequestTypeDef

Shape = dict[str, Any]

KIND = Kind[Vpc](
    table=vpcs,
    prefix="vpc",
    noun="vpc ID",
    code="InvalidVpcID.NotFound",
    ids_member="VpcIds",
    of=vpc_of,
    fields={
        "vpc-id": lambda vpc: [vpc.id],
        "cidr": lambda vpc: [vpc.cidr],
        "cidr-block-association.cidr-block": lambda vpc: [vpc.cidr],
        "cidr-block-association.association-id": lambda vpc: [vpc.association_id],
        "cidr-block-association.state": lambda _: ["associated"],
        "dhcp-options-id": lambda vpc: [vpc.dhcp_options_id],
        "is-default": lambda vpc: truth(vpc.is_default),
        "isDefault": lambda vpc: truth(vpc.is_default),
        "owner-id": lambda vpc: [vpc.account],
        "state": lambda vpc: [vpc.state],
    },
    tags=lambda vpc: vpc.tags,
)


@operation("ec2:DescribeVpcs", keys=region_key)
async def describe_vpcs(ctx: Context, request: DescribeVpcsRequestTypeDef) -> Shape:
    """VPCs by ids or filters."""
    await ensure_default_network(ctx.tx, account=ctx.account, region=ctx.region)
    found, token = await described(ctx, cast("Shape", request), "DescribeVpcs", KIND)
    return response("Vpcs", [_view(vpc) for vpc in found], token)


def _view(vpc: Vpc) -> Shape:
    return {
        "VpcId": vpc.id,
        "OwnerId": vpc.account,
        "CidrBlock": vpc.cidr,
        "CidrBlockAssociationSet": [
            {
                "AssociationId": vpc.association_id,
                "CidrBlock": vpc.cidr,
                "CidrBlockState": {"State": "associated"},
            }
        ],
        "Ipv6CidrBlockAssociationSet": [],
        "DhcpOptionsId": vpc.dhcp_options_id,
        "InstanceTenancy": "default",
        "IsDefault": vpc.is_default,
        "State": vpc.state,
        "Tags": vpc.tags,
    }
