"""The short ways of `kernel.asgi`, on uvicorn's cycle of a request and its answer.

The cycle has the scope, so what the scope has must not hold the cycle: each would be garbage for the collector, at 8 % of a request's time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from roadstead.server.combining import CombiningTransport

Headers = Sequence[tuple[bytes, bytes]]

LentCycle = Callable[[], RequestResponseCycle | None]
"""A weak reference to a cycle."""

_FIT = bytes({*range(256)} - {*range(32), 127} | {*b"\t\r\n"})
"""What a head may hold (RFC 9110, 5.5); CR and LF at the ends of lines alone."""
_CLOSES = re.compile(rb"(?:^|\n)connection:[^\r]*\bclose\b")


class ServerLines:
    """The headers that the server adds to every answer, as lines; uvicorn makes the list anew every second."""

    __slots__ = ("_headers", "_lines")

    def __init__(self) -> None:
        self._headers: Headers = ()
        self._lines = b""

    def of(self, headers: Headers) -> bytes:
        """The lines of these headers."""
        if headers is not self._headers:
            self._headers, self._lines = headers, lines_of(headers)
        return self._lines


def lines_of(headers: Headers) -> bytes:
    """Headers as lines of a head."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


_server_lines = ServerLines()


def borrowed(lent: LentCycle) -> RequestResponseCycle:
    """The cycle, which is there for as long as the application runs."""
    cycle = lent()
    if cycle is None:
        raise RuntimeError("the request is over")
    return cycle


def body_at_hand(lent: LentCycle) -> bytes | None:
    """See `kernel.asgi.BodyAtHand`."""
    cycle = borrowed(lent)
    if cycle.more_body or cycle.disconnected or cycle.response_complete or cycle.waiting_for_100_continue:
        return None
    body = bytes(cycle.body)
    cycle.body = bytearray()
    cycle.message_event.clear()
    cycle.flow.resume_reading()
    return body


async def answer(lent: LentCycle, status: int, headers: Headers, body: bytes) -> None:
    """See `kernel.asgi.Answer`: head and body in one write. A slow reader is waited for, as with messages."""
    cycle = borrowed(lent)
    if cycle.flow.write_paused or cycle.disconnected or cycle.response_started:
        await cycle.send({"type": "http.response.start", "status": status, "headers": headers})
        await cycle.send({"type": "http.response.body", "body": body, "more_body": False})
        return
    lines = lines_of(headers)
    if lines.translate(None, _FIT) or {lines.count(b"\r\n"), lines.count(b"\r"), lines.count(b"\n")} != {len(headers)}:
        raise RuntimeError("a header holds what no header may")
    if cycle.scope["method"] == "HEAD" or status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        body = b""
    elif (b"content-length", b"%d" % len(body)) not in headers:
        raise RuntimeError("an answer is not of the length that its head says")
    lowered = lines.lower()
    if b"connection:" in lowered and _CLOSES.search(lowered) is not None:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        lines += b"connection: close\r\n"
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    data = b"".join((STATUS_LINE[status], _server_lines.of(cycle.default_headers), lines, b"\r\n", body))
    transport = cycle.transport
    if isinstance(transport, CombiningTransport):
        transport.write_now(data)
    else:
        transport.write(data)
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        transport.close()
    cycle.on_response()
