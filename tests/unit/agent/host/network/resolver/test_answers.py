from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network

import dnslib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roadstead.agent.host.network.objects import Endpoints, NameRecord
from roadstead.agent.host.network.resolver.answers import Zone, respond
from roadstead.agent.host.network.resolver.names import Names

GATEWAY = "169.254.170.3"
ENDPOINTS = Endpoints(
    namespace="vpc-1",
    cidr=IPv4Network("172.31.0.0/16"),
    resolvers=(IPv4Address("169.254.169.253"),),
    gateway=IPv4Address(GATEWAY),
    gateway_port=4566,
    dns_domain="ec2.internal",
    registry_hosts=("dkr.ecr.us-east-1.amazonaws.com", "registry.example:4566"),
)


def record(owner: str, name: str, address: str) -> NameRecord:
    return NameRecord("vpc-1", owner, name, IPv4Address(address))


def zone() -> Zone:
    names = Names()
    names.put(record("eni-1", "ip-172-31-0-5.ec2.internal", "172.31.0.5"))
    return Zone(ENDPOINTS, names)


def ask(name: str, kind: str = "A", klass: str = "IN") -> tuple[str, list[str]]:
    question = dnslib.DNSRecord.question(name, kind, klass)
    packet = respond(bytes(question.pack()), zone())
    assert packet is not None
    reply = dnslib.DNSRecord.parse(packet)
    assert reply.header.id == question.header.id
    assert reply.header.qr == 1
    assert str(reply.q.qname) == str(question.q.qname)
    assert all(str(answer.rname).lower() == str(question.q.qname).lower() for answer in reply.rr)
    return dnslib.RCODE[reply.header.rcode], [str(answer.rdata) for answer in reply.rr]


@pytest.mark.parametrize(
    ("name", "kind", "code", "answers"),
    [
        ("ip-172-31-0-5.ec2.internal", "A", "NOERROR", ["172.31.0.5"]),
        ("IP-172-31-0-5.EC2.internal.", "A", "NOERROR", ["172.31.0.5"]),
        ("ip-172-31-0-5.ec2.internal", "AAAA", "NOERROR", []),
        ("ip-172-31-0-5.ec2.internal", "ANY", "NOERROR", ["172.31.0.5"]),
        ("ip-172-31-0-6.ec2.internal", "A", "NXDOMAIN", []),
        ("ec2.internal", "A", "NXDOMAIN", []),
        ("notec2.internal", "A", "REFUSED", []),
        ("5.0.31.172.in-addr.arpa", "PTR", "NOERROR", ["ip-172-31-0-5.ec2.internal."]),
        ("6.0.31.172.in-addr.arpa", "PTR", "NXDOMAIN", []),
        ("8.8.8.8.in-addr.arpa", "PTR", "REFUSED", []),
        ("x.in-addr.arpa", "PTR", "REFUSED", []),
        ("000000000000.dkr.ecr.us-east-1.amazonaws.com", "A", "NOERROR", [GATEWAY]),
        ("000000000000.dkr.ecr.us-east-1.amazonaws.com", "AAAA", "NOERROR", []),
        ("dkr.ecr.us-east-1.amazonaws.com.evil.example", "A", "REFUSED", []),
        ("evildkr.ecr.us-east-1.amazonaws.com", "A", "REFUSED", []),
        ("registry.example", "A", "NOERROR", [GATEWAY]),
        ("000000000000.dkr.ecr.eu-west-1.localhost", "A", "NOERROR", [GATEWAY]),
        ("localhost", "A", "NOERROR", ["127.0.0.1"]),
        ("example.com", "A", "REFUSED", []),
        (".", "NS", "REFUSED", []),
    ],
)
def test_names(name: str, kind: str, code: str, answers: list[str]) -> None:
    assert ask(name, kind) == (code, answers)


def test_other_classes_are_refused() -> None:
    assert ask("ip-172-31-0-5.ec2.internal", klass="CH") == ("REFUSED", [])


def header(flags: int, questions: int) -> bytes:
    return struct.pack("!6H", 7, flags, questions, 0, 0, 0)


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        (header(0x0100, 1), "FORMERR"),
        (header(0x0100, 0), "FORMERR"),
        (header(0x0100, 2) + b"\0\0\1\0\1\0\0\1\0\1", "FORMERR"),
        (header(0x0100, 1) + b"\xc0\x0c\0\1\0\1", "FORMERR"),
        (header(0x0100, 1) + b"\x3fshort", "FORMERR"),
        (header(0x2800, 1) + b"\0\0\1\0\1", "NOTIMP"),
    ],
)
def test_malformed_questions_get_an_error_of_twelve_bytes(packet: bytes, rcode: str) -> None:
    reply = respond(packet, zone())
    assert reply is not None
    assert len(reply) == 12
    parsed = dnslib.DNSRecord.parse(reply)
    assert (parsed.header.id, dnslib.RCODE[parsed.header.rcode]) == (7, rcode)


@pytest.mark.parametrize("packet", [b"", b"\0" * 11, header(0x8000, 1) + b"\0\0\1\0\1"])
def test_scraps_and_responses_get_no_answer(packet: bytes) -> None:
    assert respond(packet, zone()) is None


@given(st.binary(max_size=600) | st.binary(max_size=300).map(lambda tail: header(0x0100, 1) + tail))
@example(header(0x0100, 1) + b"\xc0\x00" * 250)
def test_no_packet_breaks_it(packet: bytes) -> None:
    reply = respond(packet, zone())
    assert reply is None or (12 <= len(reply) <= 512 and reply[:2] == packet[:2] and reply[2] & 0x80)


owners = st.sampled_from(["a", "b", "c"])
values = st.builds(record, owners, st.sampled_from(["x.y", "X.y", "z.y"]), st.sampled_from(["10.0.0.1", "10.0.0.2"]))


@given(st.lists(values | owners, max_size=20))
def test_names_are_found_only_while_somebody_owns_them(history: list[NameRecord | str]) -> None:
    names = Names()
    owned: dict[str, NameRecord] = {}
    for event in history:
        if isinstance(event, NameRecord):
            names.put(event)
            owned[event.owner] = event
        else:
            names.remove(event)
            owned.pop(event, None)
    for name in ("x.y", "z.y"):
        found = names.by_name(name)
        assert found is None or owned.get(found.owner) == found
    for owner, known in owned.items():
        assert names.of(owner) == known
