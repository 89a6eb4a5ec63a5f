"""uvicorn's HTTP protocol with answers to requests that came before in the very same bytes, and with short ways for those that are new.

What answers such a request again is in `repeats`, which all connections of a server share; here is what one connection does with it.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from functools import partial
from typing import Any, ClassVar, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from roadstead.kernel.asgi import ANSWER, BODY_AT_HAND
from roadstead.registry.http import SEND_FILE, ClientGone
from roadstead.registry.repeats import REPEAT, Repeated
from roadstead.server.combining import CombiningTransport
from roadstead.server.file_answers import FileSender
from roadstead.server.lookout import lookout_of
from roadstead.server.repeats import Name, Repeats
from roadstead.server.shortcuts import LentCycle, answer, body_at_hand

_log = structlog.get_logger("http")


class RepeatingHttpProtocol(HttpToolsProtocol):
    """Answers at once what was asked before and still has the same answer, and parses everything else."""

    repeats: ClassVar[Repeats | None] = None
    """None where every request is made anew."""

    stall_seconds: ClassVar[float] = 60.0
    """How long a client may leave an answer waiting, once as much of it is ready as is kept for a connection (64 KiB)."""

    _vpc = ""
    """From which VPC the connection is."""
    _begun_requests = 0
    """How many heads have begun to be parsed."""
    _is_within = False
    """Whether a request has begun and not ended."""
    _unanswered = 0
    """Requests that have begun and not been answered."""
    _is_lost = False
    _answered_at = 0.0
    """When a request was last answered that came before."""
    _sending: asyncio.Task[None] | None = None
    """Sends a file as the answer to a request that came before."""
    _ahead = b""
    """What came of the next request meanwhile."""
    _ends = False
    """Whether the connection is to end with that answer."""

    def connection_made(self, transport: Any) -> None:
        """A client connected."""
        self._combining = CombiningTransport(transport, self.loop)
        self._lookout = lookout_of(self.loop)
        super().connection_made(self._combining)  # type: ignore[arg-type]
        self._files = FileSender(self._combining, self.flow, self.stall_seconds)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        name = self._name(data)
        if name is not None and self._answer_again(name):
            return
        before = self._begun_requests
        super().data_received(data)
        if name is not None and self._begun_requests - before == 1 and not self._is_within:
            self._remember(name)

    def on_message_begin(self) -> None:
        """The first byte of a request came."""
        self._begun_requests += 1
        self._is_within = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is here."""
        super().on_headers_complete()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.scope is not self.scope:
            return  # it asks for a websocket, whose protocol takes over
        lent = weakref.ref(cycle)
        self._unanswered += 1
        self._lookout.begun()
        self.lend(lent)
        self.scope[SEND_FILE] = partial(self._files.send, lent)  # type: ignore[literal-required]
        self.scope[ANSWER] = partial(answer, lent)  # type: ignore[literal-required]
        self.scope[BODY_AT_HAND] = partial(body_at_hand, lent)  # type: ignore[literal-required]

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_within = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is on its way."""
        super().on_response_complete()
        self._unanswered -= 1
        self._lookout.ended()

    def shutdown(self) -> None:
        """The server stops: an answer that has begun is given to its end."""
        if self._sending is not None:
            self._ends = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for so long, unless it was answered without uvicorn's cycle, or is being."""
        since = self._answered_at if self._sending is None else self.loop.time()
        left = since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._is_lost = True
        self._lookout.gone(self._unanswered)
        self._unanswered = 0
        self._files.go_on()
        self._combining.take()  # nobody gets what waits
        self._unset_keepalive_if_required()  # uvicorn leaves the timer where the client reset the connection
        super().connection_lost(exc)

    def head_came(self) -> None:
        """A request's head is here, whole: what waits for that has to hear of it."""

    def lend(self, lent: LentCycle) -> None:
        """The scope of a request is made: what else it lends of its cycle goes in here."""

    def _hold_back(self, data: bytes) -> bool:
        """Whether these bytes have to wait for the end of an answer; nothing more is read meanwhile."""
        if self._sending is None:
            return False
        self._ahead += data
        self.flow.pause_reading()
        return True

    def _name(self, data: bytes) -> Name | None:
        """The name of a request that may come again, where nothing else is under way on this connection."""
        if self.repeats is None or self._is_within or self.client is None:
            return None
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if (cycle is not None and not cycle.response_complete) or self.flow.write_paused or self.transport.is_closing():
            return None
        return self.repeats.name(self.client[0], self._vpc, data)

    def _remember(self, name: Name) -> None:
        """Let whoever answers the request that is whole now say what answers it again."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self.repeats is not None and cycle is not None and cycle.scope is self.scope and cycle.keep_alive:
            self.scope[REPEAT] = partial(self.repeats.keep, name)  # type: ignore[literal-required]

    def _answer_again(self, name: Name) -> bool:
        again = self.repeats.answer(name, self.server_state.default_headers) if self.repeats is not None else None
        if again is None:
            return False
        self.head_came()
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        self.server_state.total_requests += 1
        self._lookout.begun()
        lines, repeated = again
        if repeated.file is None:
            self._combining.write_now(lines)
            self._lookout.ended()
            return True
        self._unanswered += 1
        self._sending = self.loop.create_task(self._send(lines, repeated, repeated.file))
        self.tasks.add(self._sending)
        self._sending.add_done_callback(partial(self._go_on, repeated.file))
        return True

    async def _send(self, head: bytes, repeated: Repeated, file: int) -> None:
        try:
            await self._files.send_behind(head, file, repeated.start, repeated.length)
        except ClientGone:
            _log.info("a client stopped reading", path=repeated.path)
        except Exception:  # noqa: BLE001 - whatever it is, nothing may follow half an answer
            self.transport.abort()
            _log.exception("the content of a blob is broken off", path=repeated.path)

    def _go_on(self, file: int, sent: asyncio.Task[None]) -> None:
        """Behind an answer out of a file comes what the client sent meanwhile."""
        os.close(file)  # not by the task, which may be cancelled before it begins
        self.tasks.discard(sent)
        self._sending = None
        if self._is_lost:
            return
        self._unanswered -= 1
        self._lookout.ended()
        self._answered_at = self.loop.time()
        if self._ends or sent.cancelled():
            self.transport.close()
            return
        self.flow.resume_reading()
        if self._ahead:
            data, self._ahead = self._ahead, b""
            self.data_received(data)
