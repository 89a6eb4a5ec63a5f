"""uvicorn's HTTP protocol with what it does not have: time-outs for slow request heads and slow readers, a bound on heads, the headers of relays,
which say from which VPC a connection is, and large bodies past the parser.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from roadstead.access.arrival import VPC
from roadstead.registry.http import RECEIVE_BODY, ClientGone, Sink
from roadstead.server.receiving import SHORTEST, BodySocket
from roadstead.server.repeating import RepeatingHttpProtocol
from roadstead.server.shortcuts import LentCycle, borrowed, lines_of
from roadstead.server.turns import take_turn
from roadstead.server.websockets import RelayedWebSocket
from roadstead.wire.relayed import SIGNATURE, BadRelayHeader, read_relay_header

LONGEST_HEAD = 64 * 1024
"""Bytes that are parsed without an end of the head, or of the trailer, in sight: those of the piece that it begins in are not counted."""
_log = structlog.get_logger("http")


class RelayKeys(Protocol):
    """What hosts' relays sign with (`access.master_key.MasterKey`)."""

    def relay_key(self, host_id: str) -> bytes:
        """The key of a host's relays."""
        ...


class PatientHttpProtocol(RepeatingHttpProtocol):
    """Closes a connection whose request head does not arrive in `head_seconds`, or whose answer waits for `stall_seconds`."""

    head_seconds: ClassVar[float] = 20.0
    """How long a client may take for a request's line and headers."""

    pause_seconds: ClassVar[float] = 60.0
    """How long a client may pause within a large body."""

    relay_keys: ClassVar[RelayKeys | None] = None
    """None where no relay is listened to."""

    _begun: bytes | None = None
    """What came of a relay's header so far; None once it is clear whether there is one."""
    _lacks_head = True
    """Whether a request's head is awaited, or the rest of one."""
    _parsed = 0
    """Bytes that were parsed since the last head, or piece of a body: as long as there is neither, all of them are kept."""
    _unwanted = 0
    """Bytes of a body that are still to come, and to be thrown away."""
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client connected: its first head is awaited."""
        super().connection_made(transport)
        if self.relay_keys is not None:
            self._begun = b""
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Bytes of requests, and before the first of them perhaps a relay's header."""
        self._lookout.came()
        if self._hold_back(data):
            return
        if self._begun is not None:
            data = self._after_header(self._begun + data)
            if not data:
                return
        if self._unwanted:
            data = self._throw_away(data)
            if not data:
                return
        before = self._begun_requests
        self._parsed += len(data)
        super().data_received(data)
        if self._parsed > LONGEST_HEAD:
            self._refuse_head()
            return
        if self._begun_requests > before and self._lacks_head:
            self._await_head()

    def on_message_begin(self) -> None:
        """The first byte of a request came."""
        self._lacks_head = True
        self._parsed = 0
        super().on_message_begin()
        if self._vpc:
            self.scope[VPC] = self._vpc  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._lacks_head = False
        self.head_came()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """The connection goes on as a websocket."""
        if self._vpc:
            self.ws_protocol_class = partial(RelayedWebSocket, self._vpc, self.client)  # type: ignore[assignment]
        super().handle_websocket_upgrade()

    def lend(self, lent: LentCycle) -> None:
        """A large body can be taken past the parser."""
        length = self._length_of_large_body()
        if length is not None:
            self.scope[RECEIVE_BODY] = partial(self._receive_body, lent, length)  # type: ignore[literal-required]

    def head_came(self) -> None:
        """Wait for it no longer."""
        self._parsed = 0
        self._stop_timer()

    def on_body(self, body: bytes) -> None:
        """A piece of a body.

        uvicorn gathers pieces in a buffer, of which it gives a copy away, and stops to read until that was taken. A piece that comes alone
        is passed on as it is, while the next one is read.
        """
        self._parsed = 0
        if not self.parser.should_upgrade():
            cycle = self.cycle
            gathered: bytes | bytearray = cycle.body
            if not gathered and not cycle.response_complete:
                cycle.body = body  # type: ignore[assignment]
                cycle.message_event.set()
                return
            if isinstance(gathered, bytes):
                cycle.body = bytearray(gathered)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """What the parser refuses; a fault of ours looks like that to uvicorn, and is told in the log."""
        error = sys.exception()
        if isinstance(error, httptools.HttpParserCallbackError):
            _log.error("a request could not be taken", exc_info=error.__context__ or error)
        super().send_400_response(msg)

    def _refuse_head(self) -> None:
        """Take no more of a head that does not end (RFC 6585, section 5); nothing can be said where an earlier request is not answered yet."""
        if not self._unanswered and not self.transport.is_closing():
            lines = lines_of(self.server_state.default_headers)
            lines += b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE] + lines)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_timer()
        self._stop_stall_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads more slowly than we answer."""
        self._stop_stall_timer()
        self._stall_timer = asyncio.get_running_loop().call_later(self.stall_seconds, self._drop)
        super().pause_writing()

    def resume_writing(self) -> None:
        """It caught up."""
        self._stop_stall_timer()
        super().resume_writing()

    def _length_of_large_body(self) -> int | None:
        """The length of the body of the request whose head is here, where it is known and worth another way."""
        if self.expect_100_continue:
            return None
        lengths = [
            value for name, value in self.headers if name == b"content-length"
        ]  # the parser takes one, of digits, and no other coding
        length = int(lengths[0]) if lengths else 0
        return length if length >= SHORTEST else None

    async def _receive_body(self, lent: LentCycle, length: int, sink: Sink) -> None:
        """Call `sink`, in threads, with the pieces of a body of which nothing was taken yet.

        Raises ClientGone, TimeoutError when nothing comes for `pause_seconds`, and what `sink` does; then the rest is thrown away as it comes.
        """
        cycle = borrowed(lent)
        self.flow.pause_reading()
        begun, cycle.body = cycle.body, bytearray()
        rest = BodySocket(self.transport.get_extra_info("socket").fileno(), length - len(begun))
        try:
            if begun:
                await take_turn(lambda _goes_on: sink(memoryview(begun)))
            await rest.pour(sink, self.pause_seconds)
        except (EOFError, ConnectionError) as error:
            self.transport.abort()
            raise ClientGone from error
        finally:
            rest.close()
            if cycle.more_body:
                self._unwanted = rest.left
                if not rest.left:
                    self._end_body()
            if not self.transport.is_closing():
                self.flow.resume_reading()

    def _throw_away(self, data: bytes) -> bytes:
        """What follows the rest of a body that nobody wants."""
        count = min(self._unwanted, len(data))
        self._unwanted -= count
        if not self._unwanted:
            self._end_body()
        return data[count:]

    def _end_body(self) -> None:
        """Go on behind a body that the parser has not seen whole."""
        if self._is_lost:
            return
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    def _after_header(self, data: bytes) -> bytes:
        """What follows the relay's header, empty while that is not whole; a header that no relay of ours made ends the connection."""
        if not (data.startswith(SIGNATURE) or SIGNATURE.startswith(data)):
            self._begun = None
            return data
        try:
            relayed = read_relay_header(data)
        except BadRelayHeader:
            self.transport.abort()
            return b""
        if relayed is None:
            self._begun = data
            return b""
        if self.relay_keys is None or not relayed.is_by(self.relay_keys.relay_key(relayed.host)):
            self.transport.abort()
            return b""
        self._begun = None
        self._vpc = relayed.vpc
        self.client = (relayed.address, relayed.port)
        return data[relayed.size :]

    def _await_head(self) -> None:
        self._stop_timer()
        self._head_timer = asyncio.get_running_loop().call_later(self.head_seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _give_up(self) -> None:
        self.transport.close()

    def _drop(self) -> None:
        self.transport.abort()
