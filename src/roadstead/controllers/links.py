"""The links controller: what a dead server said of its links is taken back.

Every server holds a lease for as long as it lives. While it does, its word on which agents and hosts are connected to it counts.
"""

from __future__ import annotations

from functools import partial

import structlog

from roadstead.controllers.controller import Controller, Shard
from roadstead.services.ecs import api as ecs
from roadstead.services.hosts import api as hosts
from roadstead.store import Transaction
from roadstead.store.leases import is_held, lapse

INTERVAL = 5.0
_log = structlog.get_logger("links")


def liveness_lease(server: str) -> str:
    """The lease that a server of this name holds while it lives."""
    return f"server/{server}"


async def lives(tx: Transaction, server: str) -> bool:
    """Whether the server held its lease when it was last heard of, and the time of that is not over."""
    return await is_held(tx, liveness_lease(server))


async def clear_links(tx: Transaction, server: str) -> int:
    """Mark all that is said to be linked to `server` as disconnected; returns how much that was."""
    return await ecs.server_gone(tx, server) + await hosts.server_gone(tx, server)


async def reconcile(shard: Shard) -> None:
    """One pass: clear the links of every server whose lease is over. A server that was only slow learns of it by the lease's loss."""
    async with shard.snapshot() as tx:
        named = await ecs.servers_with_agents(tx) | await hosts.servers_with_hosts(tx)
        dead = [server for server in sorted(named) if not await lives(tx, server)]
    for server in dead:
        cleared = await shard.run(partial(_bury, server=server))
        if cleared:
            _log.warning("a server is gone", server=server, links=cleared)


async def _bury(tx: Transaction, server: str) -> int:
    if not await lapse(tx, liveness_lease(server)):
        return 0
    return await clear_links(tx, server)


def links_controller() -> Controller:
    """Looks every few seconds: nobody tells of a death."""
    return Controller("links", (), INTERVAL, reconcile)
