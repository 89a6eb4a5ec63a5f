"""What other services and edges ask of the hosts service. Every function works in the caller's transaction.

A host carries out resources that are bound to it. Its `revision` counts their changes, removals included, so that a watcher
resumes from any revision that is not older than the trimmed tombstones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update

from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.services.hosts.records import CONNECTED, DISCONNECTED, Host, host_of, resource_of, status_of
from roadstead.services.hosts.tables import host_resources, host_tombstones, hosts
from roadstead.store import Event, Transaction
from roadstead.wire.hosts import (
    ChangeFrame,
    Frame,
    HostResource,
    HostResourceStatus,
    ListFrame,
    RemovedFrame,
)

RESOURCE_TOPIC = "hosts.resource"
"""The desired state of a host changed."""
STATUS_TOPIC = "hosts.status"
"""A host reported what it observed."""
HOST_TOPIC = "hosts.host"
"""A host registered, came or went."""

TOMBSTONE_RETENTION = timedelta(hours=1)
"""How long a removal can be told to a watcher that resumes."""


class UnknownHost(Exception):
    """No such host."""


class ResourceIsGoing(Exception):
    """A resource can't be changed any more: its deletion was requested."""


async def host_by_id(tx: Transaction, host: str) -> Host | None:
    """The host, or None."""
    row = (await tx.execute(select(hosts).where(hosts.c.id == host))).mappings()
    return host_of(row[0]) if row else None


async def hosts_for(tx: Transaction, region: str) -> list[str]:
    """Ids of the hosts that offer capacity in `region` (every host offers every region today), oldest first."""
    del region
    return (await tx.execute(select(hosts.c.id).order_by(hosts.c.registered_at, hosts.c.id))).scalars()


async def put_resource(
    tx: Transaction, *, kind: str, id: str, host: str, account: str, region: str, spec: msgspec.Struct
) -> int:
    """Want the resource on the host; returns the revision. The generation grows when the spec differs, else nothing changes.

    Raises UnknownHost and ResourceIsGoing.
    """
    known = (await tx.execute(select(host_resources).where(_is(host, kind, id)))).mappings()
    # As the column gives it back: lists, where the struct has tuples.
    wanted: object = msgspec.json.decode(msgspec.json.encode(spec))
    if known and known[0]["deletion_requested"]:
        raise ResourceIsGoing(f"{kind} {id} on {host}")
    if known and known[0]["spec"] == wanted:
        return int(known[0]["revision"])
    revision = await _next_revision(tx, host)
    if known:
        generation = known[0]["generation"] + 1
        await tx.execute(
            update(host_resources)
            .where(_is(host, kind, id))
            .values(spec=wanted, generation=generation, revision=revision)
        )
    else:
        await tx.execute(
            insert(host_resources).values(
                host=host,
                kind=kind,
                id=id,
                account=account,
                region=region,
                generation=1,
                revision=revision,
                spec=wanted,
                deletion_requested=False,
                created_at=tx.clock.now(),
            )
        )
    _emit(tx, RESOURCE_TOPIC, account, region, host, kind, id)
    return revision


async def request_deletion(tx: Transaction, *, kind: str, id: str) -> None:
    """Ask every host that has the resource to take it away. Absent resources and repeated requests are no error."""
    where = (host_resources.c.kind == kind, host_resources.c.id == id, host_resources.c.deletion_requested.is_(False))
    for row in (await tx.execute(select(host_resources).where(*where))).mappings():
        revision = await _next_revision(tx, row["host"])
        await tx.execute(
            update(host_resources)
            .where(_is(row["host"], kind, id))
            .values(deletion_requested=True, revision=revision, generation=row["generation"] + 1)
        )
        _emit(tx, RESOURCE_TOPIC, row["account"], row["region"], row["host"], kind, id)


async def resource_exists(tx: Transaction, *, kind: str, id: str) -> bool:
    """Whether any host still has the resource, wanted or not."""
    where = (host_resources.c.kind == kind, host_resources.c.id == id)
    return bool(await tx.execute(select(host_resources.c.id).where(*where).limit(1)))


async def resource_status(tx: Transaction, *, kind: str, id: str, host: str | None = None) -> HostResourceStatus | None:
    """What a host (the only one, when none is named) observed of the resource; None when it is absent or not reported yet."""
    where = [host_resources.c.kind == kind, host_resources.c.id == id]
    if host is not None:
        where.append(host_resources.c.host == host)
    rows = (await tx.execute(select(host_resources).where(*where).order_by(host_resources.c.host).limit(1))).mappings()
    return status_of(rows[0]) if rows else None


async def is_ready(tx: Transaction, *, kind: str, id: str) -> bool:
    """Whether a host reports the resource's condition Ready as True."""
    status = await resource_status(tx, kind=kind, id=id)
    return status is not None and any(each.type == "Ready" and each.status == "True" for each in status.conditions)


async def current_revision(tx: Transaction, host: str) -> int:
    """The newest revision of the host's resources; raises UnknownHost."""
    revision = (await tx.execute(select(hosts.c.revision).where(hosts.c.id == host))).scalar_one_or_none()
    if revision is None:
        raise UnknownHost(host)
    return revision


async def list_resources(tx: Transaction, host: str) -> list[HostResource]:
    """Everything that is bound to the host, in the order of revisions."""
    query = select(host_resources).where(host_resources.c.host == host).order_by(host_resources.c.revision)
    return [resource_of(row) for row in (await tx.execute(query)).mappings()]


async def changes_since(tx: Transaction, host: str, revision: int | None) -> list[Frame]:
    """What a watcher at `revision` must be told, in order: a single List without a revision or with one that can't be resumed
    from, otherwise changes and removals, none when there are none. Raises UnknownHost.
    """
    rows = (await tx.execute(select(hosts).where(hosts.c.id == host))).mappings()
    if not rows:
        raise UnknownHost(host)
    current, oldest = int(rows[0]["revision"]), int(rows[0]["oldest_revision"])
    if revision is None or revision < oldest or revision > current:
        return [ListFrame(revision=current, resources=tuple(await list_resources(tx, host)))]
    changed = (
        await tx.execute(
            select(host_resources).where(host_resources.c.host == host, host_resources.c.revision > revision)
        )
    ).mappings()
    removed = (
        await tx.execute(
            select(host_tombstones).where(host_tombstones.c.host == host, host_tombstones.c.revision > revision)
        )
    ).mappings()
    frames: list[ChangeFrame | RemovedFrame] = [
        ChangeFrame(revision=row["revision"], resource=resource_of(row)) for row in changed
    ]
    frames += [RemovedFrame(revision=row["revision"], kind=row["kind"], id=row["id"]) for row in removed]
    return sorted(frames, key=lambda frame: frame.revision)


async def observe(tx: Transaction, host: str, status: HostResourceStatus, observed: object = None) -> bool:
    """Store what the host observed; a finalized resource's row goes. False when it claims to have finalized what is still wanted.

    A resource that is gone already is no error: the report came twice.
    """
    rows = (await tx.execute(select(host_resources).where(_is(host, status.kind, status.id)))).mappings()
    if not rows:
        return True
    row = rows[0]
    if status.finalized:
        if not row["deletion_requested"]:
            return False
        await _remove(tx, host, status.kind, status.id)
    else:
        await tx.execute(
            update(host_resources)
            .where(_is(host, status.kind, status.id))
            .values(
                observed_generation=status.observed_generation,
                conditions=msgspec.to_builtins(status.conditions),
                observed_boot_id=status.boot_id,
                observed=observed,
            )
        )
    _emit(tx, STATUS_TOPIC, row["account"], row["region"], host, status.kind, status.id)
    return True


async def host_connected(tx: Transaction, host: str, *, server: str) -> None:
    """The host's watch stream to `server` came."""
    await _linked(tx, host, server)


async def host_gone(tx: Transaction, host: str, *, server: str) -> None:
    """The host's watch stream to `server` went. Nothing happens when it has a newer one to another server."""
    if await _of_server(tx, server, hosts.c.id == host):
        await _linked(tx, host, None)


async def servers_with_hosts(tx: Transaction) -> set[str]:
    """The servers that watch streams are said to be held by."""
    query = select(hosts.c.server).where(hosts.c.server.is_not(None)).distinct()
    return {str(name) for name in (await tx.execute(query)).scalars()}


async def server_gone(tx: Transaction, server: str) -> int:
    """No stream to `server` is left: its hosts are disconnected until they connect elsewhere. Returns how many."""
    found = await _of_server(tx, server)
    for host in found:
        await host_gone(tx, host, server=server)
    return len(found)


async def _of_server(tx: Transaction, server: str, *where: ColumnElement[bool]) -> Sequence[str]:
    return (await tx.execute(select(hosts.c.id).where(hosts.c.server == server, *where))).scalars()


async def _linked(tx: Transaction, host: str, server: str | None) -> None:
    await tx.execute(
        update(hosts)
        .where(hosts.c.id == host)
        .values(status=DISCONNECTED if server is None else CONNECTED, server=server, seen_at=tx.clock.now())
    )
    tx.emit(Event(topic=HOST_TOPIC, account=INTERNAL_ACCOUNT, region="", resource=host))


async def trim_tombstones(tx: Transaction) -> int:
    """Forget removals older than TOMBSTONE_RETENTION; returns how many."""
    horizon = tx.clock.now() - TOMBSTONE_RETENTION
    old = (host_tombstones.c.host, host_tombstones.c.revision)
    rows = (await tx.execute(select(*old).where(host_tombstones.c.removed_at < horizon))).all()
    newest: dict[str, int] = {}
    for host, revision in rows:
        newest[host] = max(revision, newest.get(host, 0))
    for host, revision in newest.items():
        await tx.execute(
            delete(host_tombstones).where(host_tombstones.c.host == host, host_tombstones.c.revision <= revision)
        )
        await tx.execute(update(hosts).where(hosts.c.id == host).values(oldest_revision=revision))
    return len(rows)


async def _remove(tx: Transaction, host: str, kind: str, id: str) -> None:
    revision = await _next_revision(tx, host)
    await tx.execute(delete(host_resources).where(_is(host, kind, id)))
    await tx.execute(
        insert(host_tombstones).values(host=host, revision=revision, kind=kind, id=id, removed_at=tx.clock.now())
    )


async def _next_revision(tx: Transaction, host: str) -> int:
    revision = await current_revision(tx, host) + 1
    await tx.execute(update(hosts).where(hosts.c.id == host).values(revision=revision))
    return revision


def _is(host: str, kind: str, id: str):
    return (host_resources.c.host == host) & (host_resources.c.kind == kind) & (host_resources.c.id == id)


def _emit(tx: Transaction, topic: str, account: str, region: str, host: str, kind: str, id: str) -> None:
    tx.emit(Event(topic=topic, account=account, region=region, resource=host, payload={"kind": kind, "id": id}))
