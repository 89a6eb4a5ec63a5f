"""Calls of JSON 1.1 operations, signed, with retries and a deadline (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from roadstead.agent.client.credentials import CredentialSource
from roadstead.agent.client.errors import ApiRefused, ApiUnreachable
from roadstead.agent.client.retry import CALLS, UNCONNECTED, Backoff, is_retryable
from roadstead.agent.client.signing import signed_headers

TARGETS: dict[str, str] = {
    "ecs": "AmazonEC2ContainerServiceV20141113",
    "ecr": "AmazonEC2ContainerRegistry_V20150921",
    "logs": "Logs_20140328",
    "roadstead": "Roadstead_20261101",
}
"""The `X-Amz-Target` prefix of each service that an agent calls."""

_REACHABLE_POLL = 0.02
_CONNECT_TIMEOUT = 10.0
T = TypeVar("T")


class _ErrorBody(msgspec.Struct, frozen=True):
    type: str = msgspec.field(default="", name="__type")
    message: str | None = None
    Message: str | None = None


class ApiClient:
    """One deployment, one region, one set of keys unless a call brings its own. An async context manager.

    A deployment may have several servers, which all answer the same: `others` are those to turn to while the first is away.
    """

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: CredentialSource,
        *,
        attempt_timeout: float = 30.0,
        backoff: Backoff = CALLS,
        others: Sequence[str] = (),
    ) -> None:
        self._endpoints = deque(each.rstrip("/") for each in (endpoint, *others))
        self.region = region
        self.credentials = credentials
        self._attempt_timeout = aiohttp.ClientTimeout(total=attempt_timeout, sock_connect=_CONNECT_TIMEOUT)
        self._backoff = backoff
        self._session: aiohttp.ClientSession | None = None

    @property
    def endpoint(self) -> str:
        """The base URL of the server to talk to now."""
        return self._endpoints[0]

    def away(self, endpoint: str) -> None:
        """The server at `endpoint` failed: turn to the next one, unless that has happened already."""
        if endpoint == self._endpoints[0]:
            self._endpoints.rotate(-1)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=60),
            auto_decompress=True,
            skip_auto_headers=("User-Agent",),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def reachable(self, within: float = 10.0) -> None:
        """Wait until something accepts connections at an endpoint, or `within` seconds: what follows has its own patience.

        Server and agent of a host start side by side; growing waits would make the agent miss the server's first moment.
        """
        try:
            async with asyncio.timeout(within):
                while not await _accepts(URL(endpoint := self.endpoint)):
                    self.away(endpoint)
                    await asyncio.sleep(_REACHABLE_POLL)
        except TimeoutError:
            return

    async def call(
        self,
        service: str,
        operation: str,
        request: msgspec.Struct | Mapping[str, object],
        response: type[T],
        *,
        credentials: CredentialSource | None = None,
        region: str | None = None,
        deadline: float = 60.0,
        patient: bool = False,
    ) -> T:
        """Call `service:operation` and decode the answer as `response`, whose unknown members are ignored.

        Connection errors, 5xx and throttles are tried again with growing waits until `deadline` seconds have passed; a server that can't
        be connected to is soon tried again. For a `patient` call the time that no server is there doesn't count: the deadline is of
        those that answer badly, as for an upstream that is away. Raises ApiRefused, and ApiUnreachable when the deadline passes.
        """
        body = msgspec.json.encode(request)
        last: Exception | None = None
        attempt = unconnected = 0
        gone = set[str]()
        try:
            async with asyncio.timeout(deadline) as limit:
                while True:
                    endpoint = self.endpoint
                    try:
                        return await self._attempt(
                            endpoint,
                            service,
                            operation,
                            body,
                            response,
                            credentials or self.credentials,
                            region or self.region,
                        )
                    except ApiRefused as error:
                        if not is_retryable(error.code, error.status):
                            raise
                        last = error
                        if error.status >= 500:
                            self.away(endpoint)
                    except (aiohttp.ClientError, OSError, TimeoutError) as error:
                        last = error
                        self.away(endpoint)
                        if _is_unconnected(error):
                            gone.add(endpoint)
                            if patient and gone.issuperset(self._endpoints):
                                limit.reschedule(asyncio.get_running_loop().time() + deadline)
                            await asyncio.sleep(min(self._backoff.delay(unconnected), UNCONNECTED))
                            unconnected += 1
                            continue
                    gone.clear()
                    await asyncio.sleep(self._backoff.delay(attempt))
                    attempt += 1
        except TimeoutError as error:
            raise ApiUnreachable(f"{service}:{operation}: no answer in {deadline:g} s: {last or error!r}") from last

    async def _attempt(
        self,
        endpoint: str,
        service: str,
        operation: str,
        body: bytes,
        response: type[T],
        source: CredentialSource,
        region: str,
    ) -> T:
        if self._session is None:
            raise RuntimeError("the client is not open")
        url = f"{endpoint}/"
        headers = signed_headers(
            "POST",
            url,
            credentials=source.current(),
            region=region,
            service=service,
            headers={
                "content-type": "application/x-amz-json-1.1",
                "x-amz-target": f"{TARGETS[service]}.{operation}",
            },
            body=body,
        )
        async with self._session.post(
            URL(url, encoded=True), data=body, headers=headers, timeout=self._attempt_timeout, allow_redirects=False
        ) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise _refusal(content, answer.status)
        try:
            return msgspec.json.decode(content or b"{}", type=response)
        except msgspec.MsgspecError as error:
            raise ApiRefused(
                "SerializationException", f"{operation} answered what cannot be read: {error}", 200
            ) from error


def _refusal(content: bytes, status: int) -> ApiRefused:
    try:
        body = msgspec.json.decode(content, type=_ErrorBody)
    except msgspec.MsgspecError:
        return ApiRefused("UnknownError", content[:200].decode(errors="replace"), status)
    return ApiRefused(body.type.rpartition("#")[2] or "UnknownError", body.message or body.Message or "", status)


def _is_unconnected(error: Exception) -> bool:
    """Whether nobody took the connection. One that broke later, or whose certificate is not to be trusted, is something else."""
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) and not isinstance(
        error, aiohttp.ClientSSLError
    )


async def _accepts(url: URL) -> bool:
    try:
        _, writer = await asyncio.open_connection(url.host, url.port)
    except OSError:
        return False
    writer.close()
    return True
