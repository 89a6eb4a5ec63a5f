"""Rows of EC2's network as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from sqlalchemy import RowMapping

Row = RowMapping


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC's row; `tags` is AWS's list of {Key, Value}."""

    account: str
    region: str
    id: str
    cidr: str
    association_id: str
    dhcp_options_id: str
    is_default: bool
    dns_support: bool
    dns_hostnames: bool
    state: str
    tags: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet's row."""

    account: str
    region: str
    id: str
    vpc_id: str
    cidr: str
    zone: str
    zone_id: str
    is_default: bool
    map_public_ip: bool
    state: str
    next_offset: int
    tags: list[dict[str, str]]

    @property
    def network(self) -> IPv4Network:
        """The CIDR as a network."""
        return IPv4Network(self.cidr)


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group's row; rules are AWS's IpPermission."""

    account: str
    region: str
    id: str
    vpc_id: str
    name: str
    description: str
    ingress: list[dict[str, Any]]
    egress: list[dict[str, Any]]
    tags: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """A network interface's row; `attachment` is AWS's NetworkInterfaceAttachment."""

    account: str
    region: str
    id: str
    vpc_id: str
    subnet_id: str
    zone: str
    mac_address: str
    private_ip: str
    private_dns_name: str
    security_group_ids: list[str]
    status: str
    description: str
    interface_type: str
    requester_id: str
    requester_managed: bool
    attachment: dict[str, Any] | None
    host: str
    tags: list[dict[str, str]]
    created_at: datetime


def vpc_of(row: Row) -> Vpc:
    """A row of `vpcs`."""
    return Vpc(**{name: row[name] for name in Vpc.__slots__})


def subnet_of(row: Row) -> Subnet:
    """A row of `subnets`."""
    return Subnet(**{name: row[name] for name in Subnet.__slots__})


def security_group_of(row: Row) -> SecurityGroup:
    """A row of `security_groups`."""
    return SecurityGroup(**{name: row[name] for name in SecurityGroup.__slots__})


def interface_of(row: Row) -> NetworkInterface:
    """A row of `network_interfaces`."""
    return NetworkInterface(**{name: row[name] for name in NetworkInterface.__slots__})
