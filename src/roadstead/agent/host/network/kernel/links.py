"""Bridges, uplinks, ports and addresses."""

from __future__ import annotations

import errno
import os

from roadstead.agent.host.network.kernel.driver import Lane, Places
from roadstead.agent.host.network.netlink import Link
from roadstead.agent.host.network.objects import HOST, Address, Bridge, Port, Presence, Uplink
from roadstead.agent.host.network.worker import Inside
from roadstead.agent.host.reconcile.model import NotYet


class BridgeDriver:
    """Bridges of subnets."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def presence(self, thing: Bridge) -> Presence:
        """Whole when it is up and carries its alias."""
        link = await self._places.at(thing.namespace).run(lambda inside: inside.netlink.link(thing.name))
        return _presence(link, alias=thing.alias)

    async def make(self, thing: Bridge) -> None:
        """Make or finish it."""

        def work(inside: Inside) -> None:
            netlink = inside.netlink
            if netlink.link(thing.name) is None:
                netlink.add_bridge(thing.name, thing.mac)
            netlink.set_link(thing.name, up=True, alias=thing.alias)

        await self._places.at(thing.namespace).run(work)

    async def remove(self, thing: Bridge) -> None:
        """Delete it."""
        await self._places.at(thing.namespace, Lane.REMOVAL).run(lambda inside: inside.netlink.delete_link(thing.name))


class UplinkDriver:
    """The pair between the host and a VPC's namespace."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def presence(self, thing: Uplink) -> Presence:
        """Whole when the host's end is up and carries its alias; a pair lives and dies as one."""
        link = await self._places.at(HOST).run(lambda inside: inside.netlink.link(thing.name))
        return _presence(link, alias=thing.alias)

    async def make(self, thing: Uplink) -> None:
        """Make or finish it."""
        descriptor = self._places.open(thing.namespace)
        try:
            await self._places.at(HOST).run(lambda inside: self._near(inside, thing, descriptor))
        finally:
            os.close(descriptor)
        await self._places.at(thing.namespace).run(lambda inside: inside.netlink.set_link(thing.name, up=True))
        await self._places.at(HOST).run(lambda inside: inside.netlink.set_link(thing.name, up=True, alias=thing.alias))

    async def remove(self, thing: Uplink) -> None:
        """Delete it, with its routes and addresses."""
        await self._places.at(HOST, Lane.REMOVAL).run(lambda inside: inside.netlink.delete_link(thing.name))

    @staticmethod
    def _near(inside: Inside, thing: Uplink, descriptor: int) -> None:
        netlink = inside.netlink
        if netlink.link(thing.name) is None:
            netlink.add_veth(thing.name, far_name=thing.name, far_namespace=descriptor)
        netlink.without_ipv6_address(thing.name)


class PortDriver:
    """Elastic network interfaces."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def presence(self, thing: Port) -> Presence:
        """Seen from the near end only, because the far end may have been moved into a task."""

        def work(inside: Inside) -> Presence:
            link = inside.netlink.link(thing.name)
            if link is None:
                return Presence.ABSENT
            bridge = inside.netlink.link(thing.bridge)
            return _presence(link, alias=thing.alias, master=bridge.index if bridge is not None else -1)

        return await self._places.at(thing.namespace).run(work)

    async def make(self, thing: Port) -> None:
        """Make or finish it; raises NotYet while `far_namespace` is missing."""
        if not self._places.exists(thing.far_namespace):
            raise NotYet("NamespaceMissing", f"no namespace {thing.far_namespace} on this host")
        descriptor = self._places.open(thing.far_namespace)
        try:
            await self._places.at(thing.namespace).run(lambda inside: self._near(inside, thing, descriptor))
        finally:
            os.close(descriptor)
        await self._places.at(thing.far_namespace).run(lambda inside: self._far(inside, thing))
        near = self._places.at(thing.namespace)
        await near.run(lambda inside: inside.netlink.set_link(thing.name, alias=thing.alias))

    async def remove(self, thing: Port) -> None:
        """Delete both ends, wherever the far one is."""
        await self._places.at(thing.namespace, Lane.REMOVAL).run(lambda inside: inside.netlink.delete_link(thing.name))

    @staticmethod
    def _near(inside: Inside, thing: Port, descriptor: int) -> None:
        netlink = inside.netlink
        bridge = _must(netlink.link(thing.bridge), thing.bridge).index
        if netlink.link(thing.name) is not None:
            netlink.set_link(thing.name, up=True, master=bridge)
            return
        netlink.add_veth(
            thing.name, far_name=thing.far_name, far_namespace=descriptor, far_mac=thing.far_mac, master=bridge
        )

    @staticmethod
    def _far(inside: Inside, thing: Port) -> None:
        """Name the far end after its interface, unless it was taken into a task already."""
        try:
            inside.netlink.set_link(thing.far_name, alias=thing.alias)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise


class AddressDriver:
    """IPv4 addresses."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def presence(self, thing: Address) -> Presence:
        """Whether the link has it."""

        def work(inside: Inside) -> Presence:
            link = inside.netlink.link(thing.link)
            there = link is not None and thing.address in inside.netlink.addresses(link.index)
            return Presence.FITS if there else Presence.ABSENT

        return await self._places.at(thing.namespace).run(work)

    async def make(self, thing: Address) -> None:
        """Add it."""

        def work(inside: Inside) -> None:
            inside.netlink.add_address(_must(inside.netlink.link(thing.link), thing.link).index, thing.address)

        await self._places.at(thing.namespace).run(work)

    async def remove(self, thing: Address) -> None:
        """Take it away, unless it went with its link."""

        def work(inside: Inside) -> None:
            link = inside.netlink.link(thing.link)
            if link is not None:
                inside.netlink.delete_address(link.index, thing.address)

        await self._places.at(thing.namespace).run(work)


def _presence(link: Link | None, *, alias: str, master: int = 0) -> Presence:
    if link is None:
        return Presence.ABSENT
    return Presence.FITS if link.up and link.alias == alias and link.master == master else Presence.PARTIAL


def _must(link: Link | None, name: str) -> Link:
    if link is None:
        raise OSError(errno.ENODEV, f"no interface {name}")
    return link
