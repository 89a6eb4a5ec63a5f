"""Requests that come again, byte for byte, while nothing has changed: answered without doing again what led to the answer.

The server's HTTP layer recognises such a request and asks what it was given here. Every answer has its own request id and its own event in the
trail, and is held against `Response.repeatable` first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, cast

from roadstead.kernel.ids import request_id as new_request_id
from roadstead.registry.errors import Header
from roadstead.registry.http import FilePart, Request, Response, Scope

REPEAT = "roadstead.repeat"
"""Where the scope of a request that may come again has a `Callable[[Again], None]`."""


class Repeated(NamedTuple):
    """An answer (200, HTTP/1.1) from after the server's own headers on: bytes in `parts`, and behind them a part of `file` if there is one.

    `file` is the descriptor of a file that is open for whoever has the answer, and is theirs to close.
    """

    parts: tuple[bytes, ...]
    file: int | None = None
    start: int = 0
    length: int = 0
    path: str = ""
    """Of the request, for whoever has to tell that the file could not be sent."""


Again = Callable[[], Repeated | None]
"""The answer to another request of the same bytes; None when it must be made anew."""

VERSION: Header = (b"docker-distribution-api-version", b"registry/2.0")
MAX_BYTES = 64 * 1024
"""Of a body that is kept. A file is not: it is opened each time."""


def offer_again(scope: Scope, request: Request, response: Response, record: Callable[[str], None]) -> None:
    """Offer the answer for requests to come; `record` tells the trail of one by its request id."""
    keep = cast("Callable[[Again], None] | None", scope.get(REPEAT))
    repeatable, body = response.repeatable, response.body
    if keep is None or repeatable is None or response.status != HTTPStatus.OK:
        return
    if isinstance(body, FilePart):
        length, start = body.length, body.start
    elif isinstance(body, bytes) and len(body) <= MAX_BYTES:
        length, start = len(body), 0
    else:
        return
    headers = [*response.headers, VERSION, (b"content-length", b"%d" % length)]
    head = b"".join(b"%b: %b\r\n" % header for header in headers) + b"x-amzn-requestid: "
    content = body if isinstance(body, bytes) and request.method != "HEAD" else b""
    path = body.path if isinstance(body, FilePart) and request.method != "HEAD" else None

    def again() -> Repeated | None:
        if not repeatable.holds():
            return None
        file = None
        if path is not None:
            try:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:  # the endpoint knows what to say of that
                return None
        request_id = new_request_id()
        record(request_id)
        repeatable.given()
        return Repeated((head, request_id.encode(), b"\r\n\r\n", content), file, start, length, request.path)

    keep(again)
