"""Requests that come again, byte for byte, while nothing has changed: answered without doing again what led to the answer.

The server's HTTP layer recognises such a request and asks what it was given here. Every answer has its own request id and its own event in the
trail, and is held against `Response.repeatable` first.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from roadstead.kernel.ids import request_id as new_request_id
from roadstead.registry.errors import Header
from roadstead.registry.http import Request, Response, Scope

REPEAT = "roadstead.repeat"
"""Where the scope of a request that may come again has a `Callable[[Again], None]`."""
Again = Callable[[], "tuple[bytes, ...] | None"]
"""The answer (200, HTTP/1.1) to another request of the same bytes, from after the server's own headers on; None when it must be made anew."""

VERSION: Header = (b"docker-distribution-api-version", b"registry/2.0")
MAX_BYTES = 64 * 1024
"""Of a body that is kept."""


def offer_again(scope: Scope, request: Request, response: Response, record: Callable[[str], None]) -> None:
    """Offer the answer for requests to come; `record` tells the trail of one by its request id."""
    keep = cast("Callable[[Again], None] | None", scope.get(REPEAT))
    repeatable, body = response.repeatable, response.body
    if keep is None or repeatable is None or response.status != HTTPStatus.OK:
        return
    if not isinstance(body, bytes) or len(body) > MAX_BYTES:
        return
    headers = [*response.headers, VERSION, (b"content-length", b"%d" % len(body))]
    head = b"".join(b"%b: %b\r\n" % header for header in headers) + b"x-amzn-requestid: "
    content = b"" if request.method == "HEAD" else body

    def again() -> tuple[bytes, ...] | None:
        if not repeatable.holds():
            return None
        request_id = new_request_id()
        record(request_id)
        repeatable.given()
        return head, request_id.encode(), b"\r\n\r\n", content

    keep(again)
