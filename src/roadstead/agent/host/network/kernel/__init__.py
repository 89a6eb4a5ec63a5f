"""The host's kernel behind one door: look for, make and remove each kind of object of `network.objects`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import cast

from roadstead.agent.host.network.gateway import Relay, ServerEndpoint
from roadstead.agent.host.network.hostfacts import host_facts
from roadstead.agent.host.network.kernel.driver import Driver, Lane
from roadstead.agent.host.network.kernel.filters import PermitDriver, RulesetDriver, SysctlDriver
from roadstead.agent.host.network.kernel.links import AddressDriver, BridgeDriver, PortDriver, UplinkDriver
from roadstead.agent.host.network.kernel.places import NamespaceDriver, NamespacePlaces
from roadstead.agent.host.network.kernel.routes import HostRouteDriver, RouteDriver
from roadstead.agent.host.network.kernel.served import EndpointsDriver, NameRecordDriver
from roadstead.agent.host.network.names import LinkRole, link_role
from roadstead.agent.host.network.namespaces import NamespaceDirectory
from roadstead.agent.host.network.netlink import Link
from roadstead.agent.host.network.objects import (
    HOST,
    Address,
    Bridge,
    Endpoints,
    HostRoute,
    KernelObject,
    Make,
    NameRecord,
    Namespace,
    Observation,
    Permit,
    Port,
    Presence,
    Remove,
    Route,
    Ruleset,
    Step,
    Sysctl,
    Target,
    Uplink,
)
from roadstead.agent.host.network.overlap import HostFacts
from roadstead.agent.host.network.worker import Inside

_IN_THIS_PROCESS = (NameRecord, Endpoints)


class Kernel:
    """Everything of one deployment's networks on this host. `close` ends what this process serves; kernel objects stay."""

    def __init__(self, tag: str, directory: NamespaceDirectory, server: ServerEndpoint, relay: Relay) -> None:
        self.tag = tag
        self._directory = directory
        self._places = places = NamespacePlaces(directory)
        records = NameRecordDriver()
        self._endpoints = EndpointsDriver(places, records, server, relay)
        self._drivers: dict[type[KernelObject], object] = {
            Namespace: NamespaceDriver(places),
            Sysctl: SysctlDriver(places),
            Bridge: BridgeDriver(places),
            Uplink: UplinkDriver(places),
            Port: PortDriver(places),
            Address: AddressDriver(places),
            Route: RouteDriver(places),
            HostRoute: HostRouteDriver(places, tag),
            Ruleset: RulesetDriver(places),
            Permit: PermitDriver(places),
            NameRecord: records,
            Endpoints: self._endpoints,
        }

    async def observe(self, things: Iterable[KernelObject]) -> Observation:
        """How much there is of each of `things`; nothing is in a namespace that isn't there."""
        return {thing: await self._presence(thing) for thing in things}

    async def observe_target(self, target: Target) -> Observation:
        """How much there is of all that `target` names."""
        return await self.observe((*target.wanted, *target.unwanted))

    async def carry_out(self, step: Step) -> None:
        """Do one step of a plan."""
        match step:
            case Make(thing):
                await self._driver(thing).make(thing)
            case Remove(thing):
                await self._driver(thing).remove(thing)

    async def facts(self) -> HostFacts:
        """What the host routes and where it asks for names."""
        return await self._places.at(HOST).run(lambda inside: host_facts(inside.netlink))

    def namespaces(self) -> tuple[str, ...]:
        """The names of all our namespaces, half-made ones included."""
        return self._directory.names()

    async def links(self, namespace: str, role: LinkRole) -> tuple[Link, ...]:
        """Our links of one role in a namespace."""
        if not self._places.exists(namespace):
            return ()
        links = await self._places.at(namespace).run(lambda inside: inside.netlink.links())
        return tuple(link for link in links if link_role(self.tag, link.name) is role)

    async def delete_links(self, namespace: str, names: Sequence[str]) -> None:
        """Delete links by name."""

        def work(inside: Inside) -> None:
            for name in names:
                inside.netlink.delete_link(name)

        await self._places.at(namespace, Lane.REMOVAL).run(work)

    async def sweep_links(self, role: LinkRole, kept: Collection[str]) -> None:
        """Delete our links of one role, in all our namespaces, that aren't among `kept`."""
        for namespace in self.namespaces():
            left = [link.name for link in await self.links(namespace, role) if link.name not in kept]
            if left:
                await self.delete_links(namespace, left)

    async def close(self) -> None:
        """End resolvers, gateways and threads."""
        await self._endpoints.close()
        await self._places.close()

    async def _presence(self, thing: KernelObject) -> Presence:
        if not isinstance(thing, _IN_THIS_PROCESS) and not self._places.exists(thing.namespace):
            return Presence.ABSENT
        return await self._driver(thing).presence(thing)

    def _driver(self, thing: KernelObject) -> Driver[KernelObject]:
        return cast("Driver[KernelObject]", self._drivers[type(thing)])
