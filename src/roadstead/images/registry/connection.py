"""Requests to one registry: where they go, who asks, and when they are asked again."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import aiohttp

from roadstead.images.errors import NotThere, Refused, RegistryFailed
from roadstead.images.registry.challenge import Challenge, read_challenge
from roadstead.images.registry.places import Place, bare_host, is_loopback, require_private
from roadstead.kernel.loopback import LoopbackResolver

Authorization = Callable[[], Awaitable[str | None]]
"""Gives the Basic (or Bearer) header that a registry is asked with; None for an anonymous client."""
Body = bytes | Callable[[], AsyncGenerator[bytes]] | None

ATTEMPTS = 5
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
_TEXT_LIMIT = 4096
_JSON_LIMIT = 8 << 20
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=30, sock_connect=30, sock_read=120)
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Broken(RegistryFailed):
    """The connection broke, or the registry is busy: the same may succeed later."""


class Connection:
    """A registry that is spoken to while the context lasts.

    `name` is what errors call it. Credentials go to `place` and to the token server that it names, and nowhere else.
    """

    def __init__(self, place: Place, name: str, authorization: Authorization) -> None:
        self.place = place
        self.name = name
        self._authorization = authorization
        self._headers: dict[str, str] = {}
        self._direct = False
        self._local = is_loopback(bare_host(urlsplit(place.url).netloc))

    async def __aenter__(self) -> Connection:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=LoopbackResolver(), limit=16),
            timeout=_TIMEOUT,
            trust_env=not self._local,
            auto_decompress=False,
            headers={"User-Agent": "roadstead-image"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        expect: frozenset[int],
        what: str,
        attempts: int = ATTEMPTS,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """One exchange whose status is one of `expect`; what failed for the moment is asked again, up to `attempts` times.

        `path` may be a whole URL (an upload's location). `what` names the thing in errors: NotThere, Refused, RegistryFailed, and Broken
        when it may succeed later.
        """
        for attempt in range(attempts):
            try:
                response = await self._send(method, path, scope, headers or {}, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if attempt + 1 == attempts:
                    raise Broken(f"{self.name} can't be reached for {what}: {error or type(error).__name__}") from error
                await asyncio.sleep(wait(attempt))
                continue
            try:
                if response.status in expect:
                    yield response
                    return
                if response.status not in _AGAIN or attempt + 1 == attempts:
                    raise await self._error(response, what)
            finally:
                response.release()
            await asyncio.sleep(wait(attempt, response.headers.get("Retry-After")))

    async def _send(
        self, method: str, path: str, scope: str, headers: Mapping[str, str], body: Body
    ) -> aiohttp.ClientResponse:
        """One exchange, signed in as the registry asks for; redirects of reads are followed, without our credentials."""
        url = urljoin(self.place.url, path)
        signed = await self._authorized(scope)
        response = await self._once(method, url, {**headers, **signed}, body)
        if response.status == 401:
            challenge = read_challenge(response.headers.getall("WWW-Authenticate", []))
            response.release()
            if challenge is None:
                raise Refused(f"{self.name} refuses without saying how to sign in")
            await self._sign_in(challenge, scope, signed=bool(signed))
            response = await self._once(method, url, {**headers, **await self._authorized(scope)}, body)
        for _ in range(5):
            if response.status not in _REDIRECTS or method not in ("GET", "HEAD"):
                break
            target = require_private(urljoin(str(response.url), response.headers.get("Location", "")))
            response.release()
            response = await self._once(method, target, dict(headers), body)
        return response

    async def _once(self, method: str, url: str, headers: dict[str, str], body: Body) -> aiohttp.ClientResponse:
        parts = urlsplit(url)
        if parts.netloc == self.place.host or url.startswith(self.place.url + "/"):
            url = self.place.url + url.removeprefix(f"{parts.scheme}://{parts.netloc}")
            headers["Host"] = self.place.host
        else:
            headers.pop("Authorization", None)
            require_private(url)
        data = body() if callable(body) else body
        return await self._http.request(method, url, headers=headers, data=data, allow_redirects=False)

    async def _authorized(self, scope: str) -> dict[str, str]:
        if self._direct:
            header = await self._authorization()
            return {"Authorization": header} if header else {}
        header = self._headers.get(scope)
        return {"Authorization": header} if header else {}

    async def _sign_in(self, challenge: Challenge, scope: str, *, signed: bool) -> None:
        header = await self._authorization()
        if challenge.scheme == "basic" or (header or "").startswith("Bearer "):
            if header is None:
                raise Refused(
                    f"{self.name} wants a user name and a password: log in to it with docker login or podman login"
                )
            if self._direct and signed:
                raise Refused(f"{self.name} does not accept the user name and password for it")
            self._direct = True
            return
        realm = require_private(challenge.realm)
        query = {"service": challenge.service, "scope": challenge.scope or scope}
        sent = {"Authorization": header} if header else {}
        async with self._http.get(realm, params=query, headers=sent, allow_redirects=False) as response:
            text = await response.content.read(_JSON_LIMIT)
            if response.status != 200:
                raise Refused(f"{self.name}: {realm} gives no token: {response.status} {error_text(text)[1]}")
        try:
            document = json.loads(text)
            token = document.get("token") or document["access_token"]
        except (ValueError, KeyError, AttributeError) as error:
            raise Refused(f"{self.name}: {realm} answers without a token") from error
        self._headers[scope] = f"Bearer {token}"

    async def _error(self, response: aiohttp.ClientResponse, what: str) -> Exception:
        code, text = error_text(await response.content.read(_TEXT_LIMIT))
        message = f"{self.name}: {what}: {response.status} {': '.join(filter(None, (code, text))) or response.reason}"
        if response.status in (401, 403):
            return Refused(message)
        if response.status == 404:
            return NotThere(message)
        kind = Broken if response.status in _AGAIN else RegistryFailed
        return kind(message, status=response.status, code=code)


def error_text(body: bytes) -> tuple[str, str]:
    """Code and message of an error answer (OCI distribution 1.1, "Error Codes"); the beginning of what came instead has no code."""
    try:
        first = json.loads(body)["errors"][0]
        return str(first.get("code", "")), str(first.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", body[:200].decode(errors="replace").strip()


def wait(attempt: int, retry_after: str | None = None) -> float:
    """Seconds until the next attempt: what the registry asks for, or a wait that doubles, partly by chance."""
    if retry_after is not None and retry_after.isdecimal():
        return min(float(retry_after), _LONGEST_WAIT)
    return min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT) * (0.5 + random.random() / 2)  # noqa: S311 - no secret
