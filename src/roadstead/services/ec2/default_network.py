"""The default VPC, made when an account first looks at a region.

As on AWS (https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html): 172.31.0.0/16, a /20 in each zone, a group `default`.
"""

from __future__ import annotations

from sqlalchemy import insert, select

from roadstead.core.network.addresses import DEFAULT_VPC_CIDR, RESERVED_AT_START, default_subnets
from roadstead.kernel.ids import resource_id
from roadstead.services.ec2.tables import security_groups, subnets, vpcs
from roadstead.services.ec2.zones import zone_id
from roadstead.store import Transaction

EVERYTHING = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


async def ensure_default_network(tx: Transaction, *, account: str, region: str) -> str:
    """Id of the default VPC; it is made with subnets and security group where it is missing."""
    known = await tx.execute(
        select(vpcs.c.id).where(vpcs.c.account == account, vpcs.c.region == region, vpcs.c.is_default.is_(True))
    )
    found = known.scalar_one_or_none()
    return found if found is not None else await _create(tx, account, region)


async def _create(tx: Transaction, account: str, region: str) -> str:
    owner: dict[str, object] = {"account": account, "region": region, "tags": [], "created_at": tx.clock.now()}
    vpc_id, group_id = resource_id("vpc"), resource_id("sg")
    await tx.execute(
        insert(vpcs).values(
            id=vpc_id,
            cidr=DEFAULT_VPC_CIDR,
            association_id=resource_id("vpc-cidr-assoc"),
            dhcp_options_id=resource_id("dopt"),
            is_default=True,
            dns_support=True,
            dns_hostnames=True,
            state="available",
            **owner,
        )
    )
    for letter, cidr in default_subnets():
        await tx.execute(
            insert(subnets).values(
                id=resource_id("subnet"),
                vpc_id=vpc_id,
                cidr=cidr,
                zone=f"{region}{letter}",
                zone_id=zone_id(region, letter),
                is_default=True,
                map_public_ip=True,
                state="available",
                next_offset=RESERVED_AT_START,
                **owner,
            )
        )
    await tx.execute(
        insert(security_groups).values(
            id=group_id,
            vpc_id=vpc_id,
            name="default",
            description="default VPC security group",
            ingress=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id, "UserId": account}]}],
            egress=[EVERYTHING],
            **owner,
        )
    )
    return vpc_id
