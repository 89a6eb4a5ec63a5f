"""A websocket as ASGI gives it (https://asgi.readthedocs.io/en/latest/specs/www.html#websocket)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

GOING_AWAY = 1001
POLICY_VIOLATION = 1008
_REFUSAL = "websocket.http.response"


class Disconnected(Exception):
    """The other end closed the connection, or it broke."""


class Socket:
    """One connection. Frames may be sent by several tasks at once; one task receives."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._sending = asyncio.Lock()
        self._closed = False

    async def accept(self) -> None:
        """Finish the handshake."""
        await self._connect()
        await self._send({"type": "websocket.accept"})

    async def refuse(self, status: int, body: bytes) -> None:
        """Answer the handshake with an HTTP error."""
        await self._connect()
        self._closed = True
        if _REFUSAL in (self.scope.get("extensions") or {}):
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await self._send({"type": "websocket.http.response.body", "body": body})
        else:
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION})

    async def receive(self) -> str | bytes:
        """The next frame; raises Disconnected."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._closed = True
                raise Disconnected
            text, data = message.get("text"), message.get("bytes")
            if text is not None:
                return text
            if data is not None:
                return data

    async def send(self, text: str) -> None:
        """Send a text frame; raises Disconnected."""
        async with self._sending:
            if self._closed:
                raise Disconnected
            try:
                await self._send({"type": "websocket.send", "text": text})
            except OSError as error:
                self._closed = True
                raise Disconnected from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; nothing if it is closed."""
        async with self._sending:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(OSError):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _connect(self) -> None:
        message = await self._receive()
        if message["type"] != "websocket.connect":
            raise Disconnected
