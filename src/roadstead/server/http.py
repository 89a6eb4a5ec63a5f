"""uvicorn's HTTP protocol with what it does not have: time-outs for slow request heads and slow readers, one write for a whole answer, the
headers of relays, which say from which VPC a connection is, answers to requests that came before in the very same bytes, and large bodies
past the parser.
"""

from __future__ import annotations

import asyncio
import os
import sys
import weakref
from functools import partial
from typing import Any, ClassVar, Protocol, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from roadstead.access.arrival import VPC
from roadstead.kernel.asgi import ANSWER, BODY_AT_HAND
from roadstead.registry.http import RECEIVE_BODY, SEND_FILE, ClientGone, Sink
from roadstead.registry.repeats import REPEAT, Repeated
from roadstead.server.combining import CombiningTransport
from roadstead.server.file_answers import FileSender
from roadstead.server.lookout import lookout_of
from roadstead.server.receiving import SHORTEST, BodySocket
from roadstead.server.repeats import Name, Repeats
from roadstead.server.shortcuts import LentCycle, answer, body_at_hand, borrowed
from roadstead.server.turns import take_turn
from roadstead.wire.relayed import SIGNATURE, BadRelayHeader, read_relay_header

_log = structlog.get_logger("http")


class RelayKeys(Protocol):
    """What hosts' relays sign with (`access.master_key.MasterKey`)."""

    def relay_key(self, host_id: str) -> bytes:
        """The key of a host's relays."""
        ...


class PatientHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request head does not arrive in `head_seconds`, or whose answer waits for `stall_seconds`."""

    head_seconds: ClassVar[float] = 20.0
    """How long a client may take for a request's line and headers."""

    stall_seconds: ClassVar[float] = 60.0
    """How long a client may leave an answer waiting, once as much of it is ready as is kept for a connection (64 KiB)."""

    pause_seconds: ClassVar[float] = 60.0
    """How long a client may pause within a large body."""

    relay_keys: ClassVar[RelayKeys | None] = None
    """None where no relay is listened to."""

    repeats: ClassVar[Repeats | None] = None
    """None where every request is made anew."""

    _begun: bytes | None = None
    """What came of a relay's header so far; None once it is clear whether there is one."""
    _vpc = ""
    _begun_requests = 0
    _is_within = False
    """Whether a request has begun and not ended."""
    _lacks_head = True
    """Whether a request's head is awaited, or the rest of one."""
    _unanswered = 0
    """Requests that have begun and not been answered."""
    _is_lost = False
    _unwanted = 0
    """Bytes of a body that are still to come, and to be thrown away."""
    _answered_at = 0.0
    """When a request was last answered that came before."""
    _again: asyncio.Task[None] | None = None
    """Sends a file as the answer to a request that came before."""
    _ahead = b""
    """What came of the next request meanwhile."""
    _ends = False
    """Whether the connection is to end with that answer."""
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client connected: its first head is awaited."""
        self._combining = CombiningTransport(transport, self.loop)
        self._lookout = lookout_of(self.loop)
        super().connection_made(self._combining)  # type: ignore[arg-type]
        self._files = FileSender(self._combining, self.flow, self.stall_seconds)
        if self.relay_keys is not None:
            self._begun = b""
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Bytes of requests, and before the first of them perhaps a relay's header."""
        self._lookout.came()
        if self._again is not None:
            self._ahead += data
            self.flow.pause_reading()
            return
        if self._begun is not None:
            data = self._after_header(self._begun + data)
            if not data:
                return
        if self._unwanted:
            data = self._throw_away(data)
            if not data:
                return
        name = self._name(data)
        if name is not None and self._answer_again(name):
            return
        before = self._begun_requests
        super().data_received(data)
        came = self._begun_requests - before
        if came == 1 and name is not None and not self._is_within:
            self._remember(name)
        if came and self._lacks_head:
            self._await_head()

    def on_message_begin(self) -> None:
        """The first byte of a request came."""
        self._begun_requests += 1
        self._is_within = self._lacks_head = True
        super().on_message_begin()
        if self._vpc:
            self.scope[VPC] = self._vpc  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._lacks_head = False
        self._stop_timer()
        super().on_headers_complete()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.scope is not self.scope:
            return  # it asks for a websocket, whose protocol takes over
        self._unanswered += 1
        self._lookout.begun()
        lent = weakref.ref(cycle)
        self.scope[SEND_FILE] = partial(self._files.send, lent)  # type: ignore[literal-required]
        self.scope[ANSWER] = partial(answer, lent)  # type: ignore[literal-required]
        self.scope[BODY_AT_HAND] = partial(body_at_hand, lent)  # type: ignore[literal-required]
        length = self._length_of_large_body()
        if length is not None:
            self.scope[RECEIVE_BODY] = partial(self._receive_body, lent, length)  # type: ignore[literal-required]

    def on_body(self, body: bytes) -> None:
        """A piece of a body.

        uvicorn gathers pieces in a buffer, of which it gives a copy away, and stops to read until that was taken. A piece that comes alone
        is passed on as it is, while the next one is read.
        """
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

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_within = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is on its way."""
        super().on_response_complete()
        self._unanswered -= 1
        self._lookout.ended()

    def send_400_response(self, msg: str) -> None:
        """What the parser refuses; a fault of ours looks like that to uvicorn, and is told in the log."""
        error = sys.exception()
        if isinstance(error, httptools.HttpParserCallbackError):
            _log.error("a request could not be taken", exc_info=error.__context__ or error)
        super().send_400_response(msg)

    def shutdown(self) -> None:
        """The server stops: an answer that has begun is given to its end."""
        if self._again is not None:
            self._ends = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for so long, unless it was answered without uvicorn's cycle, or is being."""
        since = self._answered_at if self._again is None else self.loop.time()
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
        self._stop_timer()
        self._stop_stall_timer()
        self._files.go_on()
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

    def _name(self, data: bytes) -> Name | None:
        """The name of a request that may come again, where nothing else is under way on this connection."""
        if self.repeats is None or self._is_within or self.client is None:
            return None
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if (cycle is not None and not cycle.response_complete) or self.flow.write_paused or self.transport.is_closing():
            return None
        return self.repeats.name(self.client[0], self._vpc, data)

    def _answer_again(self, name: Name) -> bool:
        again = self.repeats.answer(name, self.server_state.default_headers) if self.repeats is not None else None
        if again is None:
            return False
        self._stop_timer()
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        self.server_state.total_requests += 1
        self._lookout.begun()
        lines, repeated = again
        if repeated.file is not None:
            self._unanswered += 1
            self._again = self.loop.create_task(self._send_again(lines, repeated, repeated.file))
            self.tasks.add(self._again)
            self._again.add_done_callback(self._go_on)
            return True
        self._combining.write_now(lines)
        self._lookout.ended()
        return True

    async def _send_again(self, head: bytes, repeated: Repeated, file: int) -> None:
        try:
            await self._files.send_behind(head, file, repeated.start, repeated.length)
        except ClientGone:
            _log.info("a client stopped reading")
        except (EOFError, OSError) as error:
            self.transport.abort()
            _log.error("the content of a blob is broken off", error=str(error))
        finally:
            os.close(file)

    def _go_on(self, sent: asyncio.Task[None]) -> None:
        """Behind an answer out of a file comes what the client sent meanwhile."""
        self.tasks.discard(sent)
        self._again = None
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

    def _remember(self, name: Name) -> None:
        """Let whoever answers the request that is whole now say what answers it again."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self.repeats is not None and cycle is not None and cycle.scope is self.scope and cycle.keep_alive:
            self.scope[REPEAT] = partial(self.repeats.keep, name)  # type: ignore[literal-required]

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
