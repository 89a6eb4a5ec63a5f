"""How the relay of a VPC tells the server whose connection it passes on: a header of the PROXY protocol, version 2, before the first byte.

Source: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt. Beside the addresses it carries the VPC and the host in fields of
types that the protocol leaves to its users, and last a code over all before it, under a key that the server gave the host: whoever can
merely reach the server's port can't speak for a VPC.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_BYTES = 512
_HEAD = struct.Struct(">12sBBH")
_ADDRESSES = struct.Struct(">4s4sHH")
_FIELD = struct.Struct(">BH")
_PROXY_V2 = 0x21
_TCP_OVER_IPV4 = 0x11
_VPC, _HOST, _CODE = 0xE0, 0xE1, 0xE2
_CODE_BYTES = 32


class BadRelayHeader(Exception):
    """What begins like a relay's header is none."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """A connection as a relay describes it; nothing of it is true before `is_by` says so. `size` is the header's, in bytes."""

    address: str
    port: int
    vpc: str
    host: str
    size: int
    told: bytes
    code: bytes

    def is_by(self, key: bytes) -> bool:
        """Whether the relay of a host with this key said it."""
        return hmac.compare_digest(_code(key, self.told), self.code)


def relay_header(*, peer: tuple[str, int], local: tuple[str, int], vpc: str, host: str, key: bytes) -> bytes:
    """The header for a connection from `peer` to `local`, both of IPv4."""
    fields = _field(_VPC, vpc.encode()) + _field(_HOST, host.encode())
    rest = _ADDRESSES.pack(IPv4Address(peer[0]).packed, IPv4Address(local[0]).packed, peer[1], local[1]) + fields
    size = len(rest) + _FIELD.size + _CODE_BYTES
    told = _HEAD.pack(SIGNATURE, _PROXY_V2, _TCP_OVER_IPV4, size) + rest
    return told + _field(_CODE, _code(key, told))


def read_relay_header(data: bytes) -> Relayed | None:
    """The header that `data` begins with; None while more bytes are needed. Raises BadRelayHeader.

    For bytes that begin as `SIGNATURE` does, as far as they go.
    """
    if len(data) < _HEAD.size:
        return None
    signature, version, family, length = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    if signature != SIGNATURE or (version, family) != (_PROXY_V2, _TCP_OVER_IPV4) or end > MAX_BYTES:
        raise BadRelayHeader("not a header of version 2 for TCP over IPv4")
    if len(data) < end:
        return None
    if length < _ADDRESSES.size:
        raise BadRelayHeader("no addresses")
    source, _, port, _ = _ADDRESSES.unpack_from(data, _HEAD.size)
    found: dict[int, bytes] = {}
    offset = _HEAD.size + _ADDRESSES.size
    told = b""
    while offset < end:
        if offset + _FIELD.size > end or _CODE in found:
            raise BadRelayHeader("a field is cut off, or comes after the code")
        kind, size = _FIELD.unpack_from(data, offset)
        if kind == _CODE:
            told = data[:offset]
        offset += _FIELD.size + size
        if offset > end or kind in found:
            raise BadRelayHeader("a field is cut off or doubled")
        found[kind] = data[offset - size : offset]
    if not {_VPC, _HOST, _CODE} <= found.keys():
        raise BadRelayHeader("a field is missing")
    try:
        vpc, host = found[_VPC].decode("ascii"), found[_HOST].decode("ascii")
    except UnicodeDecodeError as error:
        raise BadRelayHeader("a name is not ASCII") from error
    return Relayed(str(IPv4Address(source)), port, vpc, host, end, told, found[_CODE])


def _field(kind: int, value: bytes) -> bytes:
    return _FIELD.pack(kind, len(value)) + value


def _code(key: bytes, told: bytes) -> bytes:
    return hmac.digest(key, told, "sha256")
