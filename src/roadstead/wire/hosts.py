"""The host watch stream: the desired state of one host as typed, versioned resources, and what the host observed.

The stream is a signed websocket (`GET /_roadstead/hosts/{host}/watch?revision=N`, action `roadstead:WatchHostResources`). Frames are JSON text,
tagged by `type`. Without a revision, or with one that is too old, it begins with a `List`; then come `Change` and `Removed` in
the order of their revisions, and a `Bookmark` now and then. Statuses go back through `roadstead:UpdateHostResourceStatus`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

WATCH_PATH = "/_roadstead/hosts/{host}/watch"


class Kind(StrEnum):
    """The kinds of resource that a host can carry out today."""

    VPC = "vpc"
    SUBNET = "subnet"
    INTERFACE = "interface"


class HostResource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that a host shall have. `spec` is the kind's own struct below; `generation` grows when the spec changes."""

    kind: str
    id: str
    host: str
    account: str
    region: str
    generation: int
    revision: int
    spec: msgspec.Raw
    deletion_requested: bool = False


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An observed aspect of a resource: `Ready`, `Supported`, `HostRoute`; status is True, False or Unknown."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class HostResourceStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the host observed; `finalized` says that nothing of the resource is left on the host, so its row may go."""

    kind: str
    id: str
    observed_generation: int
    conditions: tuple[Condition, ...] = ()
    boot_id: str = ""
    finalized: bool = False


class VpcSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A VPC: a network namespace that routes. `gateway_port` is the API's port at 169.254.170.3; `registry_hosts` are
    DNS suffixes that the resolver answers with that address.
    """

    cidr: str
    gateway_port: int
    dns_domain: str
    registry_hosts: tuple[str, ...] = ()


class SubnetSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A subnet: a bridge in its VPC's namespace, with the router at the first address of the CIDR."""

    vpc_id: str
    cidr: str
    availability_zone: str


class InterfaceSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An elastic network interface: a veth with this MAC whose far end appears in the network namespace `attach_to`.

    `private_ip` has no prefix length; the subnet's CIDR gives it. `hostname` is the private DNS name that the VPC's resolver answers.
    `attach_to` names a namespace of the host (`pool` for the Fargate pool; a machine's id later).
    """

    vpc_id: str
    subnet_id: str
    mac_address: str
    private_ip: str
    hostname: str
    attach_to: str


class ListFrame(msgspec.Struct, frozen=True, kw_only=True, tag="List", rename="camel"):
    """The whole desired state of the host at a revision."""

    revision: int
    resources: tuple[HostResource, ...]


class ChangeFrame(msgspec.Struct, frozen=True, kw_only=True, tag="Change", rename="camel"):
    """A resource that was added or changed."""

    revision: int
    resource: HostResource


class RemovedFrame(msgspec.Struct, frozen=True, kw_only=True, tag="Removed", rename="camel"):
    """A resource whose finalizer was removed and whose row is gone."""

    revision: int
    kind: str
    id: str


class BookmarkFrame(msgspec.Struct, frozen=True, kw_only=True, tag="Bookmark", rename="camel"):
    """Nothing changed up to this revision."""

    revision: int


Frame = ListFrame | ChangeFrame | RemovedFrame | BookmarkFrame
