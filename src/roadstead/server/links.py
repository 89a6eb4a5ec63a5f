"""The edges for agents, by the path that each is reached at."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.agentlink.acs import AcsEdge
from roadstead.agentlink.handshake import Door, gate_of
from roadstead.agentlink.hosts import HostEdge
from roadstead.agentlink.presence import Presence
from roadstead.agentlink.tcs import TcsEdge
from roadstead.audit.trail import Trail
from roadstead.kernel.clock import Clock
from roadstead.server.routing import App
from roadstead.services.ecs.payloads import Payloads
from roadstead.store import Store

ACS_PATH = "/ws"
TCS_PATH = "/tcs/ws"
HOSTS_PATH = "/_roadstead/hosts/"


class AgentLinks:
    """The three kinds of links of this server."""

    def __init__(
        self,
        store: Store,
        gatekeeper: Gatekeeper,
        payloads: Payloads,
        clock: Clock,
        presence: Presence,
        trail: Trail,
    ) -> None:
        door = Door(store, gate_of(gatekeeper), trail)
        self._acs = AcsEdge(store, door, payloads, clock, server=presence)
        self._tcs = TcsEdge(store, door)
        self._hosts = HostEdge(store, door, server=presence)

    @property
    def edges(self) -> Mapping[str, App]:
        """ASGI applications by the beginning of their path."""
        return {ACS_PATH: self._acs, TCS_PATH: self._tcs, HOSTS_PATH: self._hosts}

    async def reconnect(self) -> None:
        """Ask every agent and host to connect again, and wait until they have gone."""
        await asyncio.gather(self._acs.links.reconnect(), self._hosts.links.reconnect())

    async def settle(self) -> None:
        """Take back what the store still says of links that went while it could not be written. Raises StoreError."""
        await self._acs.links.settle()
        await self._hosts.links.settle()

    async def drain(self) -> None:
        """Close every session, and let no new one in: agents connect elsewhere, or later."""
        await asyncio.gather(self._acs.links.drain(), self._tcs.drain(), self._hosts.links.drain())
