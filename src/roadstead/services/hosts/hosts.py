"""RegisterHost and DescribeHosts of the internal service `roadstead`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from sqlalchemy import insert, select, update

from roadstead.kernel.arn import Arn
from roadstead.kernel.errors import AccessDeniedException
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.services.hosts.api import HOST_TOPIC, host_by_id
from roadstead.services.hosts.errors import HostNotFoundException
from roadstead.services.hosts.records import DISCONNECTED, Host, host_of
from roadstead.services.hosts.tables import hosts
from roadstead.services.operation import Context, operation
from roadstead.store import Event


class Capacity(TypedDict):
    """CPU units (1024 a core) and MiB."""

    cpu: int
    memory: int


class RegisterHostRequest(TypedDict):
    """As the model."""

    hostId: str
    hostname: str
    capacity: Capacity
    bootId: str
    version: str


class RegisterHostResponse(TypedDict):
    """As the model."""

    hostId: str
    revision: int


class DescribeHostsRequest(TypedDict, total=False):
    """As the model."""

    hostIds: list[str]
    maxResults: int
    nextToken: str


class DescribeHostsResponse(TypedDict, total=False):
    """As the model."""

    hosts: list[dict[str, object]]
    nextToken: str


def host_arn(region: str, host: str) -> Arn:
    """The ARN that policies name a host by."""
    return Arn(service="roadstead", region=region, account=INTERNAL_ACCOUNT, resource=f"host/{host}")


async def named_host(ctx: Context, request: Mapping[str, str]) -> Sequence[Arn | str]:
    """The resource of the operations that name a host."""
    return [host_arn(ctx.region, request["hostId"])]


async def own_host(ctx: Context, host: str) -> Host:
    """The host, when the caller is who registered it; raises HostNotFoundException, which tells nobody that another's exists."""
    found = await host_by_id(ctx.tx, host)
    if found is None or found.owner != str(ctx.principal.identity_arn):
        raise HostNotFoundException(f"Host {host} not found.")
    return found


@operation("roadstead:RegisterHost", resources=named_host)
async def register_host(ctx: Context, request: RegisterHostRequest) -> RegisterHostResponse:
    """Announce a host, or announce it again after a boot. The first caller owns the id.

    A host carries out resources of every account, so only identities of the internal account can be hosts, whatever a policy says.
    """
    if ctx.account != INTERNAL_ACCOUNT:
        raise AccessDeniedException("Only an identity that was made for a host can register one.")
    id, now = request["hostId"], ctx.clock.now()
    facts = {
        "hostname": request["hostname"],
        "cpu": request["capacity"]["cpu"],
        "memory": request["capacity"]["memory"],
        "boot_id": request["bootId"],
        "version": request["version"],
        "seen_at": now,
    }
    revision = 0
    if await host_by_id(ctx.tx, id) is not None:
        revision = (await own_host(ctx, id)).revision
        await ctx.tx.execute(update(hosts).where(hosts.c.id == id).values(**facts))
    else:
        await ctx.tx.execute(
            insert(hosts).values(
                id=id,
                owner=str(ctx.principal.identity_arn),
                status=DISCONNECTED,
                registered_at=now,
                revision=0,
                oldest_revision=0,
                **facts,
            )
        )
    ctx.tx.emit(Event(topic=HOST_TOPIC, account=INTERNAL_ACCOUNT, region=ctx.region, resource=id))
    return {"hostId": id, "revision": revision}


@operation("roadstead:DescribeHosts", reads=True)
async def describe_hosts(ctx: Context, request: DescribeHostsRequest) -> DescribeHostsResponse:
    """Hosts by id, or all of them; for the accounts that run the deployment."""
    if ctx.account not in (INTERNAL_ACCOUNT, ctx.deployment.account):
        raise AccessDeniedException("Hosts are shown to the deployment's own account only.")
    wanted = request.get("hostIds") or []
    query = select(hosts).order_by(hosts.c.id)
    if wanted:
        query = query.where(hosts.c.id.in_(wanted))
    found = [host_of(row) for row in (await ctx.tx.execute(query)).mappings()]
    missing = sorted(set(wanted) - {host.id for host in found})
    if missing:
        raise HostNotFoundException(f"Host {missing[0]} not found.")
    return {"hosts": [_view(host) for host in found]}


def _view(host: Host) -> dict[str, object]:
    return {
        "hostId": host.id,
        "hostname": host.hostname,
        "capacity": {"cpu": host.cpu, "memory": host.memory},
        "bootId": host.boot_id,
        "version": host.version,
        "status": host.status,
        "lastSeenAt": host.seen_at,
    }
