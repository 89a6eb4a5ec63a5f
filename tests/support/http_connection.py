"""A connection to the server's HTTP protocol in memory: what comes in is given to it, what it writes is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from roadstead.server.http import PatientHttpProtocol
from roadstead.server.repeats import Repeats


class Connection:
    """A client's end of a connection, to a server of one application."""

    def __init__(self, app: Any, repeats: Repeats | None = None, vpc: str = "", address: str = "10.0.0.9") -> None:
        class Protocol(PatientHttpProtocol):
            _vpc = vpc

        Protocol.repeats = repeats
        config = uvicorn.Config(app, http=Protocol, ws="websockets-sansio", log_config=None)
        config.load()
        self.state = ServerState()
        self.protocol = Protocol(config, self.state, {})
        self.written: list[bytes] = []
        self.closed = False
        self.successor: Any = None
        """Who has the connection after an upgrade."""
        self._address = address
        self.protocol.connection_made(self)

    def get_extra_info(self, name: str) -> object:
        return {"peername": (self._address, 5), "sockname": ("10.0.0.1", 80)}.get(name)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def set_protocol(self, protocol: Any) -> None:
        self.successor = protocol

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    async def ask(self, *pieces: bytes) -> list[bytes]:
        """What is written to the client of a request in these pieces."""
        self.written.clear()
        for piece in pieces:
            self.protocol.data_received(piece)
        for _ in range(10):
            await asyncio.sleep(0)
        return list(self.written)


@asynccontextmanager
async def connected(app: Any, repeats: Repeats | None = None, **more: Any) -> AsyncGenerator[Connection]:
    connection = Connection(app, repeats, **more)
    try:
        yield connection
    finally:
        connection.protocol.connection_lost(None)
