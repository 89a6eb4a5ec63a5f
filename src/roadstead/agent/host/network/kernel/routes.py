"""Routes, and the host's routes to VPCs."""

from __future__ import annotations

import errno

from roadstead.agent.host.network.hostfacts import host_facts, routing_lock
from roadstead.agent.host.network.kernel.driver import Places
from roadstead.agent.host.network.objects import HOST, HostRoute, Presence, Route
from roadstead.agent.host.network.overlap import conflict, covered_leftovers
from roadstead.agent.host.network.worker import Inside
from roadstead.agent.host.reconcile.model import NotYet


class RouteDriver:
    """Routes of our own namespaces."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def presence(self, thing: Route) -> Presence:
        """Whether exactly this route is there."""
        routes = await self._places.at(thing.namespace).run(lambda inside: inside.netlink.routes())
        return Presence.FITS if thing.entry in routes else Presence.ABSENT

    async def make(self, thing: Route) -> None:
        """Add it."""
        await self._places.at(thing.namespace).run(lambda inside: inside.netlink.add_route(thing.entry))

    async def remove(self, thing: Route) -> None:
        """Delete it."""
        await self._places.at(thing.namespace).run(lambda inside: inside.netlink.delete_route(thing.entry))


class HostRouteDriver:
    """The host's routes: what is added here must not take anything from the host."""

    def __init__(self, places: Places, tag: str) -> None:
        self._places = places
        self._tag = tag

    async def presence(self, thing: HostRoute) -> Presence:
        """Whether exactly this route is there."""
        routes = await self._places.at(HOST).run(lambda inside: inside.netlink.routes())
        return Presence.FITS if thing.entry in routes else Presence.ABSENT

    async def make(self, thing: HostRoute) -> None:
        """Add it; raises NotYet when another one came first. The lock keeps two deployments from both coming first."""

        def work(inside: Inside) -> None:
            cidr = thing.entry.destination
            with routing_lock():
                facts = host_facts(inside.netlink)
                against = conflict(cidr, uplink=thing.uplink, tag=self._tag, facts=facts)
                if against is not None:
                    raise NotYet(against.reason, against.message)
                for leftover in covered_leftovers(cidr, tag=self._tag, facts=facts):
                    inside.netlink.delete_route(leftover)
                inside.netlink.add_route(thing.entry)

        await self._places.at(HOST).run(work)

    async def remove(self, thing: HostRoute) -> None:
        """Delete it, unless it went with its link."""

        def work(inside: Inside) -> None:
            try:
                inside.netlink.delete_route(thing.entry)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise

        await self._places.at(HOST).run(work)
