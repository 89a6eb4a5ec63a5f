"""Requests that came before, by their bytes, and what answers them again.

Most of what it costs to serve a small answer that is at hand is not the answer: it is to parse the head, to begin a task and to find the way to
the endpoint (docs/decisions/0019-repeated-requests.md).
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from roadstead.registry.repeats import Again, Repeated
from roadstead.server.shortcuts import Headers, ServerLines

Name = tuple[str, str, bytes]
"""Where a request came from (address and VPC), and the hash of its bytes: what they hold, credentials among it, is not kept."""

METHODS = (b"GET /v2/", b"HEAD /v2/")
"""What may be asked again: reading the registry."""
MAX_HEAD = 8 * 1024
MOST = 1024


class Repeats:
    """Those of a server; the longest unused ones make room."""

    def __init__(self) -> None:
        self._known: OrderedDict[Name, Again] = OrderedDict()
        self._server_lines = ServerLines()

    def name(self, address: str, vpc: str, data: bytes) -> Name | None:
        """The name of a request that may come again, if these bytes are one."""
        if not data.startswith(METHODS) or len(data) > MAX_HEAD:
            return None
        return address, vpc, blake2b(data, digest_size=16).digest()

    def keep(self, name: Name, again: Again) -> None:
        """Remember what answers a request."""
        self._known[name] = again
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def answer(self, name: Name, server_headers: Headers) -> tuple[bytes, Repeated] | None:
        """The whole answer to a request that came before, if it is still the same; what is in a file follows the bytes."""
        again = self._known.get(name)
        if again is None:
            return None
        repeated = again()
        if repeated is None:
            del self._known[name]
            return None
        self._known.move_to_end(name)
        lines = b"".join((b"HTTP/1.1 200 OK\r\n", self._server_lines.of(server_headers), *repeated.parts))
        return lines, repeated
