"""uvicorn's websocket protocol for connections that a relay passes on: the caller is where the relay's header says, not where the relay is."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from roadstead.access.arrival import VPC


class RelayedWebSocket(WebSocketsSansIOProtocol):
    """A websocket from a VPC, of the client with this address in it."""

    def __init__(self, vpc: str, caller: tuple[str, int] | None, **more: Any) -> None:
        super().__init__(**more)
        self._vpc = vpc
        self._caller = caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is this protocol's from now on."""
        super().connection_made(transport)
        self.client = self._caller

    def handle_connect(self, event: Request) -> None:
        """The handshake is here; the application begins after this step of the event loop."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope[VPC] = self._vpc  # type: ignore[typeddict-unknown-key]
