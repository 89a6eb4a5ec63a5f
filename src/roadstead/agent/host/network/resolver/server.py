"""DNS over UDP and TCP on sockets that were opened inside a VPC."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self, cast

from roadstead.agent.host.network.resolver.answers import Zone, respond

TCP_IDLE_SECONDS = 10.0
TCP_CONNECTIONS = 64
"""Per socket; further ones are closed at once."""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's and uvloop's own transports don't all derive from the class that they implement.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = respond(data, self._zone)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


class DnsServer:
    """Serves one address; leaving the context closes its sockets and connections."""

    def __init__(self, zone: Zone, datagrams: socket.socket, listener: socket.socket) -> None:
        self._zone = zone
        self._sockets = (datagrams, listener)
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        datagrams, listener = self._sockets
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._zone), sock=datagrams)
        self._server = await asyncio.start_server(self._accept, sock=listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= TCP_CONNECTIONS:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Messages behind two bytes of length (RFC 7766), one after the other."""
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(2))
                    response = respond(await reader.readexactly(length), self._zone)
                    if response is None:
                        return
                    writer.write(len(response).to_bytes(2) + response)
                    await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            return
        finally:
            writer.close()
