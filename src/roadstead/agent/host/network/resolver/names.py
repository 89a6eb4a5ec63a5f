"""The names of a VPC's interfaces, found by owner, by name and by address."""

from __future__ import annotations

from ipaddress import IPv4Address

from roadstead.agent.host.network.objects import NameRecord


class Names:
    """The records of one VPC, one an owner. Of two records with one name or address the newer answers."""

    def __init__(self) -> None:
        self._by_owner: dict[str, NameRecord] = {}
        self._by_name: dict[str, NameRecord] = {}
        self._by_address: dict[IPv4Address, NameRecord] = {}

    def of(self, owner: str) -> NameRecord | None:
        """The record of an interface."""
        return self._by_owner.get(owner)

    def by_name(self, name: str) -> NameRecord | None:
        """The record with this name, in lower case and without a final dot."""
        return self._by_name.get(name)

    def by_address(self, address: IPv4Address) -> NameRecord | None:
        """The record with this address."""
        return self._by_address.get(address)

    def put(self, record: NameRecord) -> None:
        """Add a record in place of its owner's former one."""
        self.remove(record.owner)
        self._by_owner[record.owner] = record
        self._by_name[_key(record)] = record
        self._by_address[record.address] = record

    def remove(self, owner: str) -> None:
        """Forget the owner's record; a missing one is fine."""
        record = self._by_owner.pop(owner, None)
        if record is None:
            return
        if self._by_name.get(_key(record)) is record:
            del self._by_name[_key(record)]
        if self._by_address.get(record.address) is record:
            del self._by_address[record.address]


def _key(record: NameRecord) -> str:
    return record.name.lower().rstrip(".")
