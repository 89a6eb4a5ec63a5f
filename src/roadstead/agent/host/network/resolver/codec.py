"""DNS packets (RFC 1035) through dnslib, with types. Only header and question are read; answers never carry EDNS (RFC 6891 allows it)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Protocol, cast

import dnslib  # pyright: ignore[reportMissingTypeStubs]

OPCODE_QUERY = 0
_HEADER = 12
_RESPONSE = 0x80
_AUTHORITATIVE = 0x04
_RECURSION_DESIRED = 0x01
_OPCODE = 0x78
_RECURSION_AVAILABLE = 0x80
_INTERNET = 1


class Code(IntEnum):
    """Response codes (RFC 1035 section 4.1.1)."""

    NO_ERROR = 0
    FORMAT_ERROR = 1
    NAME_ERROR = 3
    NOT_IMPLEMENTED = 4
    REFUSED = 5


class RecordType(IntEnum):
    """The types of record that there are here."""

    A = 1
    PTR = 12
    ANY = 255


class _RawQuestion(Protocol):
    """A question as dnslib has it."""

    qname: object
    qtype: int
    qclass: int


@dataclass(frozen=True, slots=True)
class Question:
    """One question: a name with its final dot, and its bytes as they were asked."""

    name: str
    kind: int
    is_internet: bool
    raw: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a packet."""

    id: bytes
    flags: int
    questions: int

    @classmethod
    def of(cls, packet: bytes) -> Header | None:
        """The header, None when the packet is too short to have one."""
        if len(packet) < _HEADER:
            return None
        return cls(packet[:2], packet[2], int.from_bytes(packet[4:6]))

    @property
    def is_response(self) -> bool:
        """Whether the packet is itself an answer."""
        return bool(self.flags & _RESPONSE)

    @property
    def opcode(self) -> int:
        """The kind of query; only OPCODE_QUERY is known here."""
        return (self.flags & _OPCODE) >> 3

    def reply(
        self, code: Code, question: Question | None = None, value: IPv4Address | str | None = None, *, ttl: int = 0
    ) -> bytes:
        """A response with the question and at most one record: an A for an address, a PTR for a name."""
        flags = _RESPONSE | _AUTHORITATIVE | (self.flags & (_OPCODE | _RECURSION_DESIRED))
        counts = ((question is not None), (value is not None), 0, 0)
        head = self.id + bytes((flags, _RECURSION_AVAILABLE | code)) + b"".join(int(n).to_bytes(2) for n in counts)
        return (
            head + (question.raw if question is not None else b"") + (_record(value, ttl) if value is not None else b"")
        )


def parse_question(packet: bytes) -> Question | None:
    """The first question of a packet, None when it is malformed."""
    buffer = dnslib.DNSBuffer(packet)
    buffer.offset = _HEADER
    try:
        raw = cast("_RawQuestion", dnslib.DNSQuestion.parse(buffer))  # pyright: ignore[reportUnknownMemberType]
        name = str(raw.qname)
    except (dnslib.DNSError, ValueError):
        return None
    return Question(name, raw.qtype, raw.qclass == _INTERNET, packet[_HEADER : buffer.offset])


def _record(value: IPv4Address | str, ttl: int) -> bytes:
    """A record whose name points at the question's (offset 12)."""
    if isinstance(value, IPv4Address):
        kind, data = RecordType.A, value.packed
    else:
        buffer = dnslib.DNSBuffer()
        buffer.encode_name_nocompress(value)  # pyright: ignore[reportUnknownMemberType]
        kind, data = RecordType.PTR, bytes(cast("bytearray", buffer.data))  # pyright: ignore[reportUnknownMemberType]
    return (
        (0xC000 | _HEADER).to_bytes(2)
        + kind.to_bytes(2)
        + _INTERNET.to_bytes(2)
        + ttl.to_bytes(4)
        + len(data).to_bytes(2)
        + data
    )
