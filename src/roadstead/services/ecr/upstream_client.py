"""A client of other registries (OCI distribution 1.1, "Pull"; https://distribution.github.io/distribution/spec/auth/token/)."""

from __future__ import annotations

import base64
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import msgspec
from yarl import URL

from roadstead.kernel.clock import Clock
from roadstead.kernel.loopback import LoopbackResolver
from roadstead.kernel.settings import Credential, Upstream
from roadstead.services.ecr.manifests import IMAGE_TYPES, INDEX_TYPES, MAX_MANIFEST_BYTES
from roadstead.services.ecr.upstream import (
    FetchedManifest,
    UpstreamAccessDenied,
    UpstreamNotFound,
    UpstreamTooManyRequests,
    UpstreamUnavailable,
)

_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_connect=10, sock_read=60)
_ACCEPT = ", ".join(sorted(IMAGE_TYPES | INDEX_TYPES))
_CHALLENGE = re.compile(r'([a-z]+)="([^"]*)"')
_TOKEN_SECONDS = 60.0
"""What a token is good for when the answer does not say (the specification's own default)."""
_REMEMBERED = 1000
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """A repository of another registry, and how to sign in there."""

    upstream: Upstream
    name: str
    credential: Credential | None = None

    @property
    def scope(self) -> str:
        """What a token is asked for."""
        return f"repository:{self.name}:pull"


class _Token(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None
    expires_in: float = _TOKEN_SECONDS


class UpstreamClient:
    """Fetches manifests and blobs. Tokens are kept for as long as they are good."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._tokens: OrderedDict[tuple[Source, str], tuple[str, float]] = OrderedDict()

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()

    async def digest_of(self, source: Source, tag: str) -> str | None:
        """The digest that a tag has upstream; None where the upstream does not say. Raises UpstreamError."""
        async with self._get(source, f"manifests/{tag}", head=True) as response:
            return response.headers.get("Docker-Content-Digest")

    async def manifest(self, source: Source, reference: str) -> FetchedManifest:
        """A manifest by tag or digest, of at most 4 MiB. Raises UpstreamError."""
        async with self._get(source, f"manifests/{reference}") as response:
            content = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                content += chunk
                if len(content) > MAX_MANIFEST_BYTES:
                    raise UpstreamUnavailable(f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            return FetchedManifest(bytes(content), media_type or None)

    @asynccontextmanager
    async def blob(self, source: Source, digest: str) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """The bytes of a blob, as they come. Raises UpstreamError, while they come too."""
        async with self._get(source, f"blobs/{digest}") as response:
            yield _chunks(response)

    async def check(self, source: Source) -> None:
        """Return when the upstream answers and takes the credentials. Raises UpstreamError."""
        async with self._request(source, source.upstream.url.rstrip("/") + "/v2/", head=False):
            pass

    @asynccontextmanager
    async def _get(self, source: Source, path: str, *, head: bool = False) -> AsyncGenerator[aiohttp.ClientResponse]:
        url = f"{source.upstream.url.rstrip('/')}/v2/{source.name}/{path}"
        async with self._request(source, url, head=head) as response:
            yield response

    @asynccontextmanager
    async def _request(self, source: Source, url: str, *, head: bool) -> AsyncGenerator[aiohttp.ClientResponse]:
        """One answer that is no error; signs in when the upstream asks for that."""
        try:
            authorization = self._known(source)
            response = await self._send(url, head, authorization)
            if response.status == HTTPStatus.UNAUTHORIZED:
                challenge = response.headers.get("WWW-Authenticate", "")
                response.close()
                response = await self._send(url, head, await self._sign_in(source, challenge))
            try:
                _check(response, url)
                yield response
            finally:
                response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UpstreamUnavailable(f"{URL(url).host}: {error or type(error).__name__}") from error

    async def _send(self, url: str, head: bool, authorization: str | None) -> aiohttp.ClientResponse:
        headers = {"Accept": _ACCEPT, "User-Agent": "roadstead", "Accept-Encoding": "identity"}
        if authorization is not None:
            headers["Authorization"] = authorization
        return await self._client().request("HEAD" if head else "GET", URL(url, encoded=True), headers=headers)

    async def _sign_in(self, source: Source, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        basic = None
        if source.credential is not None:
            pair = f"{source.credential.username}:{source.credential.access_token}"
            basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if scheme.lower() == "basic" and basic is not None:
            return basic
        parameters = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in parameters:
            raise UpstreamAccessDenied("the upstream wants credentials")
        realm = URL(parameters["realm"])
        if realm.scheme != "https" and URL(source.upstream.url).scheme == "https":
            raise UpstreamAccessDenied(f"the upstream's token service is not reached by TLS: {realm}")
        query = {"service": parameters.get("service", ""), "scope": parameters.get("scope") or source.scope}
        headers = {} if basic is None else {"Authorization": basic}
        async with self._client().get(realm.update_query(query), headers=headers) as response:
            _check(response, str(realm))
            try:
                found = msgspec.json.decode(await response.read(), type=_Token)
            except msgspec.DecodeError as error:
                raise UpstreamUnavailable("the upstream's token service answers no token") from error
        token = found.token or found.access_token
        if not token:
            raise UpstreamAccessDenied("the upstream's token service gives no token")
        self._tokens[source, source.scope] = (f"Bearer {token}", self._clock.monotonic() + found.expires_in * 0.9)
        if len(self._tokens) > _REMEMBERED:
            self._tokens.popitem(last=False)
        return f"Bearer {token}"

    def _known(self, source: Source) -> str | None:
        held = self._tokens.get((source, source.scope))
        return held[0] if held is not None and held[1] > self._clock.monotonic() else None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(resolver=LoopbackResolver())
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False)
        return self._session


def _check(response: aiohttp.ClientResponse, url: str) -> None:
    status, host = response.status, URL(url).host
    if status < HTTPStatus.BAD_REQUEST:
        return
    text = f"{host} answers {status}"
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise UpstreamAccessDenied(text)
        case HTTPStatus.NOT_FOUND:
            raise UpstreamNotFound(text)
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise UpstreamTooManyRequests(text)
        case _:
            raise UpstreamUnavailable(text)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    try:
        async for chunk in response.content.iter_chunked(_CHUNK):
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise UpstreamUnavailable(f"{response.host}: {error or type(error).__name__}") from error
