"""nftables tables and the leave to speak on a port; sysctls."""

from __future__ import annotations

from roadstead.agent.host.network.kernel.driver import Places
from roadstead.agent.host.network.nft import NftError
from roadstead.agent.host.network.objects import Permit, Presence, Ruleset, Sysctl
from roadstead.agent.host.network.rules import SPEAKERS, replacement
from roadstead.agent.host.network.worker import Inside


class RulesetDriver:
    """Tables, replaced in one transaction."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def presence(self, thing: Ruleset) -> Presence:
        """Whole when the table names the same generation of rules."""
        chains = await self._places.at(thing.namespace).run(lambda inside: inside.nft.chains(thing.family, thing.table))
        if thing.generation in chains:
            return Presence.FITS
        return Presence.PARTIAL if chains else Presence.ABSENT

    async def make(self, thing: Ruleset) -> None:
        """Make or replace it."""

        def work(inside: Inside) -> None:
            inside.nft.run(replacement(thing, inside.nft.chains(thing.family, thing.table)))

        await self._places.at(thing.namespace).run(work)

    async def remove(self, thing: Ruleset) -> None:
        """Delete the table."""

        def work(inside: Inside) -> None:
            if (thing.family, thing.table) in inside.nft.tables():
                inside.nft.run(f"delete table {thing.family} {thing.table}\n")

        await self._places.at(thing.namespace).run(work)


class PermitDriver:
    """Elements of the bridge table's set."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def presence(self, thing: Permit) -> Presence:
        """Whether the set has the element (asked for by its key, not by listing the set)."""
        present = await self._places.at(thing.namespace).run(lambda inside: self._has(inside, thing))
        return Presence.FITS if present else Presence.ABSENT

    async def make(self, thing: Permit) -> None:
        """Add it; nftables takes one that is there for done."""
        await self._places.at(thing.namespace).run(lambda inside: inside.nft.run(_element("add", thing)))

    async def remove(self, thing: Permit) -> None:
        """Delete it."""

        def work(inside: Inside) -> None:
            if self._has(inside, thing):
                inside.nft.run(_element("delete", thing))

        await self._places.at(thing.namespace).run(work)

    @staticmethod
    def _has(inside: Inside, thing: Permit) -> bool:
        try:
            inside.nft.run(_element("get", thing))
        except NftError:
            # libnftables tells a missing element and a missing table by its message only; adding tells any other fault.
            return False
        return True


class SysctlDriver:
    """Sysctls of our own namespaces."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def presence(self, thing: Sysctl) -> Presence:
        """Whether it has the value, or the kernel doesn't have it at all."""
        value = await self._places.at(thing.namespace).run(lambda inside: inside.sysctl(thing.key))
        return Presence.FITS if value is None or value == thing.value else Presence.PARTIAL

    async def make(self, thing: Sysctl) -> None:
        """Set it."""
        await self._places.at(thing.namespace).run(lambda inside: inside.set_sysctl(thing.key, thing.value))

    async def remove(self, thing: Sysctl) -> None:
        """It goes with its namespace."""


def _element(command: str, thing: Permit) -> str:
    element = f'"{thing.port}" . {thing.mac} . {thing.address}'
    return f"{command} element bridge {thing.table} {SPEAKERS} {{ {element} }}\n"
