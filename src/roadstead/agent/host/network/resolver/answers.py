"""What the resolver answers. Pure: a packet and the VPC's names in, a packet out."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from roadstead.agent.host.network.objects import Endpoints
from roadstead.agent.host.network.resolver.codec import OPCODE_QUERY, Code, Header, RecordType, parse_question
from roadstead.agent.host.network.resolver.names import Names

TTL_SECONDS = 60
_REVERSE = ".in-addr.arpa"
_LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response code and, where there is one, the record's value: an address, or a name for a reverse question."""

    code: Code
    value: IPv4Address | str | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """The names of one VPC: those of its interfaces, and those that follow from its endpoints."""

    endpoints: Endpoints
    names: Names

    def answer(self, name: str, kind: int) -> Answer:
        """Answer a question of class IN for `name` (any case, no final dot). A known name without records of `kind` is no error."""
        name = name.lower().rstrip(".")
        address = self._address(name)
        if address is not None:
            return Answer(Code.NO_ERROR, address if kind in (RecordType.A, RecordType.ANY) else None)
        if name.endswith(_REVERSE):
            return self._reverse(name, kind)
        if name == self.endpoints.dns_domain.lower() or name.endswith("." + self.endpoints.dns_domain.lower()):
            return Answer(Code.NAME_ERROR)
        return Answer(Code.REFUSED)

    def _address(self, name: str) -> IPv4Address | None:
        record = self.names.by_name(name)
        if record is not None:
            return record.address
        if name == _LOCALHOST:
            return IPv4Address("127.0.0.1")
        if any(_below(name, suffix) for suffix in (_LOCALHOST, *self.endpoints.registry_hosts)):
            return self.endpoints.gateway
        return None

    def _reverse(self, name: str, kind: int) -> Answer:
        labels = name.removesuffix(_REVERSE).split(".")
        try:
            address = IPv4Address(".".join(reversed(labels)))
        except AddressValueError:
            return Answer(Code.REFUSED)
        record = self.names.by_address(address)
        if record is not None:
            return Answer(Code.NO_ERROR, record.name if kind in (RecordType.PTR, RecordType.ANY) else None)
        return Answer(Code.NAME_ERROR if address in self.endpoints.cidr else Code.REFUSED)


def respond(packet: bytes, zone: Zone) -> bytes | None:
    """The response to one packet, at most 512 bytes; None for what deserves none (too short, or itself a response)."""
    header = Header.of(packet)
    if header is None or header.is_response:
        return None
    if header.opcode != OPCODE_QUERY:
        return header.reply(Code.NOT_IMPLEMENTED)
    question = parse_question(packet) if header.questions == 1 else None
    if question is None:
        return header.reply(Code.FORMAT_ERROR)
    answer = zone.answer(question.name, question.kind) if question.is_internet else Answer(Code.REFUSED)
    return header.reply(answer.code, question, answer.value, ttl=TTL_SECONDS)


def _below(name: str, suffix: str) -> bool:
    suffix = suffix.partition(":")[0].lower().strip(".")
    return name != _LOCALHOST and (name == suffix or name.endswith("." + suffix))
