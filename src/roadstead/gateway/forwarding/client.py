"""The HTTP client that upstreams are called with: bodies pass through it in pieces (decision 0020)."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from roadstead.gateway.forwarding.settings import BadUpstream
from roadstead.gateway.forwarding.upstreams import Upstream

_LINE = 64 * 1024
"""Bytes of one header at most."""
_CONNECTIONS = 512
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would add by itself: what the caller did not send is not sent."""


class UpstreamFailed(Exception):
    """The upstream did not answer; the text names it and says how."""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A signed request: `path` and `query` are encoded, `body` comes in pieces."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: AsyncIterator[bytes] | bytes | None


class UpstreamClient:
    """Connections to upstreams, kept open between calls. An async context manager."""

    def __init__(self, upstreams: Iterable[Upstream]) -> None:
        self._trust = {each.settings.ca_file: _trust(each) for each in upstreams if each.settings.ca_file}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @contextlib.asynccontextmanager
    async def answer(
        self, upstream: Upstream, region: str, request: UpstreamRequest
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The upstream's answer, its body still to be read; raises UpstreamFailed."""
        settings = upstream.settings
        scheme, host = upstream.base(region)
        url = (
            f"{scheme}://{request.headers.get('host', host)}{request.path}{'?' if request.query else ''}{request.query}"
        )
        limits = aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=settings.connect_timeout, sock_read=settings.timeout
        )
        try:
            response = await self._open().request(
                request.method,
                URL(url, encoded=True),
                headers=request.headers,
                data=request.body,
                timeout=limits,
                allow_redirects=False,
                ssl=self._trust.get(settings.ca_file or "", True),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamFailed(f"The upstream of {upstream.service}, {scheme}://{host}, {_told(error)}.") from error
        try:
            yield response
        finally:
            response.close() if not response.content.at_eof() else response.release()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_AUTOMATIC,
                max_line_size=_LINE,
                max_field_size=_LINE,
            )
        return self._session


async def pieces(response: aiohttp.ClientResponse, what: str) -> AsyncIterator[bytes]:
    """The body of an answer, as it comes; raises UpstreamFailed when it breaks off."""
    try:
        async for piece in response.content.iter_any():
            yield piece
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UpstreamFailed(f"{what} {_told(error)}") from error


async def whole(response: aiohttp.ClientResponse, what: str, limit: int) -> bytes:
    """The body of an answer of `limit` bytes at most; raises UpstreamFailed."""
    content = bytearray()
    async for piece in pieces(response, what):
        content += piece
        if len(content) > limit:
            raise UpstreamFailed(f"{what} answered more than {limit} bytes.")
    return bytes(content)


def _told(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "could not be reached in time" if isinstance(error, aiohttp.ConnectionTimeoutError) else "is too slow"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"can't be reached: {_reason(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionResetError):
        return "closed the connection"
    return f"failed: {error}"


def _reason(error: OSError) -> str:
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)  # asyncio's own text repeats the address


def _trust(upstream: Upstream) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=upstream.settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BadUpstream(f"the upstream of {upstream.service}: ca_file can't be used: {error}") from error
