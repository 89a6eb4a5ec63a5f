"""uvicorn's HTTP protocol with what it does not have: a time-out for slow request heads, and one write for a whole answer."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from roadstead.server.combining import CombiningTransport


class PatientHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request head does not arrive in `head_seconds`."""

    head_seconds: ClassVar[float] = 20.0
    """How long a client may take for a request's line and headers."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client connected: its first head is awaited."""
        super().connection_made(CombiningTransport(transport, asyncio.get_running_loop()))  # type: ignore[arg-type]
        self._await_head()

    def on_message_begin(self) -> None:
        """The first byte of a request came: the whole head is awaited."""
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._stop_timer()
        self._head_timer = asyncio.get_running_loop().call_later(self.head_seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self.transport.close()
