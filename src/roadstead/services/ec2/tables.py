"""Tables of EC2's network: VPCs, subnets, security groups, network interfaces."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, text

from roadstead.store import Json, Timestamp, metadata

vpcs = Table(
    "ec2_vpcs",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("cidr", String(18), nullable=False),
    Column("association_id", String(64), nullable=False),
    Column("dhcp_options_id", String(32), nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("dns_support", Boolean, nullable=False),
    Column("dns_hostnames", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("tags", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
Index(
    "uq_ec2_vpcs_default",
    vpcs.c.account,
    vpcs.c.region,
    unique=True,
    sqlite_where=text("is_default"),
    postgresql_where=text("is_default"),
)

subnets = Table(
    "ec2_subnets",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("vpc_id", String(32), nullable=False),
    Column("cidr", String(18), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("zone_id", String(64), nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("map_public_ip", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("next_offset", Integer, nullable=False),
    Column("tags", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Index("ix_ec2_subnets_vpc", "account", "region", "vpc_id"),
)
"""`next_offset` is where the search for a free address begins, so that an address is not given again at once."""

security_groups = Table(
    "ec2_security_groups",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("vpc_id", String(32), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", String(255), nullable=False),
    Column("ingress", Json, nullable=False),
    Column("egress", Json, nullable=False),
    Column("tags", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Index("uq_ec2_security_groups_name", "account", "region", "vpc_id", "name", unique=True),
)
"""`ingress` and `egress` are lists of AWS's IpPermission."""

network_interfaces = Table(
    "ec2_network_interfaces",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("vpc_id", String(32), nullable=False),
    Column("subnet_id", String(32), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("mac_address", String(17), nullable=False),
    Column("private_ip", String(15), nullable=False),
    Column("private_dns_name", String(255), nullable=False),
    Column("security_group_ids", Json, nullable=False),
    Column("status", String(16), nullable=False),
    Column("description", String(255), nullable=False),
    Column("interface_type", String(64), nullable=False),
    Column("requester_id", String(64), nullable=False),
    Column("requester_managed", Boolean, nullable=False),
    Column("attachment", Json),
    Column("host", String(64), nullable=False),
    Column("tags", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Index("uq_ec2_network_interfaces_ip", "subnet_id", "private_ip", unique=True),
    Index("uq_ec2_network_interfaces_mac", "mac_address", unique=True),
    Index("uq_ec2_network_interfaces_id", "id", unique=True),
    Index("ix_ec2_network_interfaces_vpc", "account", "region", "vpc_id"),
)

__all__ = ["network_interfaces", "security_groups", "subnets", "vpcs"]
