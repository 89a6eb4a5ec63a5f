"""Reading link notifications of the kernel (rtnetlink(7)): which interface, which MAC, come or gone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTMGRP_LINK = 1
_NLMSG = struct.Struct("=IHHII")
_IFINFO = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_IFLA_ADDRESS = 1
_IFLA_IFNAME = 3


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """One interface; `mac` is lower case with colons, empty where the link has none."""

    index: int
    name: str
    mac: str
    gone: bool


def parse(data: bytes) -> Iterator[LinkEvent]:
    """The link events in one datagram; a message that is cut short ends it."""
    offset = 0
    while offset + _NLMSG.size <= len(data):
        length, kind, *_ = _NLMSG.unpack_from(data, offset)
        if length < _NLMSG.size or offset + length > len(data):
            return
        if kind in (RTM_NEWLINK, RTM_DELLINK) and length >= _NLMSG.size + _IFINFO.size:
            yield _link(data[offset + _NLMSG.size : offset + length], gone=kind == RTM_DELLINK)
        offset += (length + 3) & ~3


def _link(body: bytes, *, gone: bool) -> LinkEvent:
    index = _IFINFO.unpack_from(body)[2]
    name = mac = ""
    offset = _IFINFO.size
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        value = body[offset + _ATTRIBUTE.size : offset + length]
        if kind == _IFLA_IFNAME:
            name = value.rstrip(b"\0").decode(errors="replace")
        elif kind == _IFLA_ADDRESS:
            mac = value.hex(":")
        offset += (length + 3) & ~3
    return LinkEvent(index=index, name=name, mac=mac, gone=gone)
