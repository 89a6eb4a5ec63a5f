"""What this process itself serves inside VPCs: resolver and gateway, and the resolver's names. It ends with the process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from roadstead.agent.host.network.gateway import Gateway, Relay, ServerEndpoint
from roadstead.agent.host.network.kernel.driver import Places
from roadstead.agent.host.network.objects import Endpoints, NameRecord, Presence
from roadstead.agent.host.network.resolver.answers import Zone
from roadstead.agent.host.network.resolver.names import Names
from roadstead.agent.host.network.resolver.server import DnsServer
from roadstead.agent.host.network.worker import Inside

DNS_PORT = 53


class NameRecordDriver:
    """Names of interfaces, by VPC."""

    def __init__(self) -> None:
        self._names: dict[str, Names] = {}

    def in_namespace(self, namespace: str) -> Names:
        """The names of a VPC; they follow later changes."""
        return self._names.setdefault(namespace, Names())

    async def presence(self, thing: NameRecord) -> Presence:
        """Partial when the interface has another name or address."""
        record = self.in_namespace(thing.namespace).of(thing.owner)
        if record is None:
            return Presence.ABSENT
        return Presence.FITS if record == thing else Presence.PARTIAL

    async def make(self, thing: NameRecord) -> None:
        """Answer with it from now on."""
        self.in_namespace(thing.namespace).put(thing)

    async def remove(self, thing: NameRecord) -> None:
        """Answer no more."""
        self.in_namespace(thing.namespace).remove(thing.owner)


@dataclass(frozen=True, slots=True)
class _Serving:
    endpoints: Endpoints
    identity: int
    servers: AsyncExitStack


class EndpointsDriver:
    """Resolver and gateway of each VPC."""

    def __init__(self, places: Places, records: NameRecordDriver, server: ServerEndpoint, relay: Relay) -> None:
        self._places = places
        self._records = records
        self._server = server
        self._relay = relay
        self._serving: dict[str, _Serving] = {}

    async def presence(self, thing: Endpoints) -> Presence:
        """Partial when others than these are served, or in a namespace that was lost."""
        serving = self._serving.get(thing.namespace)
        if serving is None:
            return Presence.ABSENT
        fits = serving.endpoints == thing and serving.identity == self._places.identity(thing.namespace)
        return Presence.FITS if fits else Presence.PARTIAL

    async def make(self, thing: Endpoints) -> None:
        """Open the sockets inside the VPC and serve them from here; raises OSError."""
        await self.remove(thing)
        async with AsyncExitStack() as opening:
            zone = Zone(thing, self._records.in_namespace(thing.namespace))
            worker = self._places.at(thing.namespace)
            for address in thing.resolvers:
                datagrams = opening.enter_context(
                    await worker.run(partial(Inside.datagrams, address=address, port=DNS_PORT))
                )
                stream = opening.enter_context(await worker.run(partial(Inside.listen, address=address, port=DNS_PORT)))
                await opening.enter_async_context(DnsServer(zone, datagrams, stream))
            listener = opening.enter_context(
                await worker.run(partial(Inside.listen, address=thing.gateway, port=thing.gateway_port))
            )
            await opening.enter_async_context(Gateway(listener, self._server, self._relay, thing.namespace))
            self._serving[thing.namespace] = _Serving(thing, self._places.identity(thing.namespace), opening.pop_all())

    async def remove(self, thing: Endpoints) -> None:
        """Close the sockets and the connections through them."""
        serving = self._serving.pop(thing.namespace, None)
        if serving is not None:
            await serving.servers.aclose()

    async def close(self) -> None:
        """Stop serving everywhere."""
        serving = list(self._serving.values())
        self._serving.clear()
        await asyncio.gather(*(one.servers.aclose() for one in serving))
