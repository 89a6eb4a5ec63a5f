"""HTTP messages as the codecs see them, free of any server's types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import msgspec

T = TypeVar("T")


class HttpRequest(msgspec.Struct, frozen=True, dict=True):
    """A request with its whole body.

    `path` and `query` are raw, still percent-encoded; the names in `headers` are in lower case.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    def once(self, read: Callable[[HttpRequest], T]) -> T:
        """What `read`, a function of a module, makes of the request; made once, however many need it. What it raises is not kept."""
        kept, name = vars(self), read.__qualname__
        if name not in kept:
            kept[name] = read(self)
        return cast("T", kept[name])


class HttpResponse(msgspec.Struct, frozen=True):
    """A response; `headers` are pairs in the order to send, without Content-Length, Date and Server."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
