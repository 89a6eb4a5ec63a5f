"""How a request came in: what its connection and its headers say, as condition keys.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, "Properties of the network" and "Properties
of the request".
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

_SECURE = ("https", "wss")
_MAPPED = "::ffff:"
VPC = "roadstead.vpc"
"""Where the scope of a connection has the VPC that it came from."""


class Arrival(msgspec.Struct, frozen=True):
    """Where a request came from. `region` is what it was signed for, empty until that is known; headers are as the client wrote them."""

    source_ip: str = ""
    user_agent: str = ""
    referer: str = ""
    secure: bool = False
    region: str = ""
    vpc: str = ""
    """The VPC that the request came from, whose address `source_ip` then is: as through a VPC endpoint on AWS."""

    def signed_for(self, region: str) -> Arrival:
        """The same arrival, of a request whose region is known. Every request passes here, and `replace` costs three times as much."""
        return Arrival(self.source_ip, self.user_agent, self.referer, self.secure, region, self.vpc)

    def keys(self) -> dict[str, str]:
        """The condition keys by their names; one that the request has nothing of is left out."""
        found = {"aws:SecureTransport": "true" if self.secure else "false"}
        if self.vpc:
            found["aws:SourceVpc"] = self.vpc
            found["aws:VpcSourceIp"] = self.source_ip
        elif self.source_ip:
            found["aws:SourceIp"] = self.source_ip
        if self.user_agent:
            found["aws:UserAgent"] = self.user_agent
        if self.referer:
            found["aws:Referer"] = self.referer
        if self.region:
            found["aws:RequestedRegion"] = self.region
        return found


NOWHERE = Arrival()
"""Of what comes from inside the server."""


def arrival_of(scope: Mapping[str, Any]) -> Arrival:
    """The arrival of an ASGI connection. The address is the connection's own: forwarding headers count for nothing."""
    client: tuple[str, int] | None = scope.get("client")
    headers: dict[bytes, bytes] = dict(scope["headers"])
    user_agent, referer = headers.get(b"user-agent", b""), headers.get(b"referer", b"")
    return Arrival(
        source_ip=_address(client[0]) if client else "",
        user_agent=user_agent.decode("latin-1"),
        referer=referer.decode("latin-1"),
        secure=scope.get("scheme") in _SECURE,
        vpc=scope.get(VPC, ""),
    )


def _address(text: str) -> str:
    """The address without a zone; an IPv4 address that a listener of both families sees as IPv6 is the IPv4 one."""
    bare = text.partition("%")[0]
    if bare.startswith(_MAPPED):
        return str(getattr(ip_address(bare), "ipv4_mapped", None) or bare)
    return bare
