"""The gateway at 169.254.170.3: connections from inside a VPC are relayed to the server's listener in the host's namespace.

Each begins with a header that says who in which VPC it is from.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from roadstead.wire.relayed import relay_header

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class ServerEndpoint:
    """Where the server listens, as this process reaches it; `others` are servers to turn to while it takes no connections."""

    host: str
    port: int
    others: tuple[ServerEndpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one VPC may use: connections at once, seconds to connect, seconds without a byte in either direction."""

    connections: int = 512
    connect_seconds: float = 5.0
    idle_seconds: float = 350.0


@dataclass(frozen=True, slots=True)
class Relay:
    """Who passes connections on: the host, with its key."""

    host: str
    key: bytes = field(repr=False)


class Gateway:
    """Relays one listening socket; leaving the context closes it and every connection through it.

    Each direction is closed for itself (half-close), and a side that reads slowly slows the other one down.
    """

    def __init__(
        self, listener: socket.socket, server: ServerEndpoint, relay: Relay, vpc: str, limits: Limits | None = None
    ) -> None:
        self._listener = listener
        self._relay_of = relay
        self._vpc = vpc
        self._endpoint = server
        self._limits = limits or Limits()
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, sock=self._listener, limit=_CHUNK)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._relays) >= self._limits.connections:
            _reset(writer)
            return
        relay = asyncio.get_running_loop().create_task(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until both directions have ended and were read; whatever else ends it is a reset for both ends, which waits for nobody.

        Also where the server is away: the caller sees a reset, as from any server that is down.
        """
        seconds, ends = self._limits.idle_seconds, [writer]
        try:
            far_reader, far_writer = await self._connect()
            ends.append(far_writer)
            far_writer.write(self._header(writer))
            async with asyncio.timeout(seconds) as idle:
                async with asyncio.TaskGroup() as directions:
                    directions.create_task(_copy(reader, far_writer, idle, seconds))
                    directions.create_task(_copy(far_reader, writer, idle, seconds))
                for end in ends:
                    end.close()
                await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)
        except* OSError:
            pass  # TimeoutError is one; the reset tells both ends
        finally:
            for end in ends:
                _reset(end)

    def _header(self, writer: asyncio.StreamWriter) -> bytes:
        peer, local = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        relay = self._relay_of
        return relay_header(peer=peer[:2], local=local[:2], vpc=self._vpc, host=relay.host, key=relay.key)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the first server that takes the connection; raises OSError when none does."""
        failure: OSError | None = None
        for server in (self._endpoint, *self._endpoint.others):
            try:
                async with asyncio.timeout(self._limits.connect_seconds):
                    return await asyncio.open_connection(server.host, server.port, limit=_CHUNK)
            except OSError as error:
                failure = error
        raise failure or OSError("no server")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, so that the peer doesn't take what it has for the whole; nothing where it is closed."""
    connection = cast("socket.socket | None", writer.get_extra_info("socket"))
    if connection is not None and connection.fileno() != -1:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: asyncio.Timeout, idle_seconds: float
) -> None:
    """Copy one direction to its end; every byte puts the time-out of both off."""
    clock = asyncio.get_running_loop()
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
        if not idle.expired():
            idle.reschedule(clock.time() + idle_seconds)
    if writer.can_write_eof():
        writer.write_eof()
