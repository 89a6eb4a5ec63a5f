"""Names below `localhost` are this machine (RFC 6761, section 6.3), also where its resolver does not know them."""

from __future__ import annotations

import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult


class LoopbackResolver(AbstractResolver):
    """For a session's connector: the machine's own resolver, but for names below `localhost`."""

    def __init__(self) -> None:
        self._other = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host; raises OSError."""
        name = "127.0.0.1" if host.endswith(".localhost") else host
        found = await self._other.resolve(name, port, family)
        return [{**entry, "hostname": host} for entry in found]

    async def close(self) -> None:
        """Let the machine's resolver go."""
        await self._other.close()
