"""DescribeSecurityGroups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Select

from roadstead.services.ec2.default_network import ensure_default_network
from roadstead.services.ec2.describe import Kind, described, region_key, response
from roadstead.services.ec2.errors import NotFound
from roadstead.services.ec2.records import SecurityGroup, security_group_of
from roadstead.services.ec2.tables import security_groups
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import DescribeSecurityGroupsRequestTypeDef

Shape = dict[str, Any]


def _cidrs(rules: list[Shape]) -> Iterator[str]:
    for rule in rules:
        for each in rule.get("IpRanges") or ():
            yield each["CidrIp"]


def _groups(rules: list[Shape]) -> Iterator[str]:
    for rule in rules:
        for pair in rule.get("UserIdGroupPairs") or ():
            yield pair["GroupId"]


def _protocols(rules: list[Shape]) -> Iterator[str]:
    for rule in rules:
        yield rule["IpProtocol"]


KIND = Kind[SecurityGroup](
    table=security_groups,
    prefix="sg",
    noun="security group",
    code="InvalidGroup.NotFound",
    ids_member="GroupIds",
    of=security_group_of,
    fields={
        "group-id": lambda group: [group.id],
        "group-name": lambda group: [group.name],
        "description": lambda group: [group.description],
        "owner-id": lambda group: [group.account],
        "vpc-id": lambda group: [group.vpc_id],
        "ip-permission.cidr": lambda group: _cidrs(group.ingress),
        "ip-permission.group-id": lambda group: _groups(group.ingress),
        "ip-permission.protocol": lambda group: _protocols(group.ingress),
        "egress.ip-permission.cidr": lambda group: _cidrs(group.egress),
        "egress.ip-permission.group-id": lambda group: _groups(group.egress),
        "egress.ip-permission.protocol": lambda group: _protocols(group.egress),
    },
    tags=lambda group: group.tags,
)


@operation("ec2:DescribeSecurityGroups", keys=region_key)
async def describe_security_groups(ctx: Context, request: DescribeSecurityGroupsRequestTypeDef) -> Shape:
    """Security groups by ids, by names in the default VPC, or by filters."""
    vpc_id = await ensure_default_network(ctx.tx, account=ctx.account, region=ctx.region)
    names = list(request.get("GroupNames") or ())

    def narrow(statement: Select[Any]) -> Select[Any]:
        if not names:
            return statement
        return statement.where(security_groups.c.name.in_(names), security_groups.c.vpc_id == vpc_id)

    found, token = await described(ctx, cast("Shape", request), "DescribeSecurityGroups", KIND, narrow=narrow)
    missing = sorted(set(names) - {group.name for group in found}) if not request.get("Filters") else []
    if missing and token is None:
        raise NotFound(KIND.code, f"The security group '{missing[0]}' does not exist in default VPC '{vpc_id}'")
    return response("SecurityGroups", [_view(group) for group in found], token)


def _view(group: SecurityGroup) -> Shape:
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "Description": group.description,
        "OwnerId": group.account,
        "VpcId": group.vpc_id,
        "SecurityGroupArn": f"arn:aws:ec2:{group.region}:{group.account}:security-group/{group.id}",
        "IpPermissions": [_rule(rule) for rule in group.ingress],
        "IpPermissionsEgress": [_rule(rule) for rule in group.egress],
        "Tags": group.tags,
    }


def _rule(rule: Shape) -> Shape:
    return {"IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": [], **rule}
