"""HTTP messages as the codecs see them, free of any server's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request with its whole body.

    `path` and `query` are raw, still percent-encoded; the names in `headers` are in lower case.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response; `headers` are pairs in the order to send, without Content-Length, Date and Server."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
