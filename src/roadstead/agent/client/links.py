"""Signed websockets: the ACS and TCS links and the host watch stream."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from urllib.parse import quote, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from roadstead.agent.client.credentials import CredentialSource
from roadstead.agent.client.signing import signed_headers

CONNECT_TIMEOUT = 30.0
MAX_FRAME = 8 * 1024 * 1024
"""Bytes of one frame; a list of a host's resources is the largest."""


class LinkRefused(Exception):
    """The server answered the handshake with an error; `status` is HTTP's, `detail` the start of the body."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"handshake refused with {status}: {detail}")
        self.status = status
        self.detail = detail


def link_url(endpoint: str, path: str, query: dict[str, str]) -> str:
    """The websocket URL below an `http(s)` or `ws(s)` endpoint, `path` appended to the endpoint's own."""
    parts = urlsplit(endpoint)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + path, encoded, ""))


class SignedLink(AbstractAsyncContextManager[ClientConnection]):
    """A connection that is open within the block. Entering raises LinkRefused, OSError and TimeoutError."""

    def __init__(
        self, url: str, credentials: CredentialSource, region: str, service: str, ping_seconds: float | None
    ) -> None:
        self._url = url
        self._credentials = credentials
        self._region = region
        self._service = service
        self._ping_seconds = ping_seconds
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> ClientConnection:
        headers = signed_headers(
            "GET", self._url, credentials=self._credentials.current(), region=self._region, service=self._service
        )
        try:
            self._connection = await connect(
                self._url,
                additional_headers=headers,
                open_timeout=CONNECT_TIMEOUT,
                close_timeout=2,
                ping_interval=self._ping_seconds,
                ping_timeout=self._ping_seconds,
                compression=None,
                max_size=MAX_FRAME,
                proxy=None,
                user_agent_header=None,
            )
        except InvalidStatus as error:
            detail = (error.response.body or b"")[:300].decode(errors="replace")
            raise LinkRefused(error.response.status_code, detail) from error
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def connect_link(
    url: str, credentials: CredentialSource, region: str, service: str = "ecs", *, ping_seconds: float | None = None
) -> SignedLink:
    """A signed websocket to `url` (see `link_url`). With `ping_seconds` it breaks when a ping, sent that often, has no answer for as long."""
    return SignedLink(url, credentials, region, service, ping_seconds)
