"""The door of the public registries: everybody may read, at a bounded rate; who writes has a name (Docker registry token authentication).

`/v2/` asks for a token, as AWS does, so that clients find out how to sign in; content may be read without one.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from roadstead.access.sealing import ExpiredSeal, InvalidSeal, Sealer
from roadstead.core.tokenbucket import Bucket, Rate, take
from roadstead.kernel.clock import Clock
from roadstead.kernel.settings import Deployment
from roadstead.registry.call import Backend
from roadstead.registry.errors import Header, RegistryError, method_not_allowed, name_unknown
from roadstead.registry.http import Request, Response, json_headers
from roadstead.registry.logins import ANONYMOUS, Login, Logins
from roadstead.registry.routes import Endpoint, Route
from roadstead.services.ecr.api import (
    PUBLIC,
    NotARegistryToken,
    RepositoryKey,
    account_of,
    anonymous_token,
    find_logo,
    open_public_login,
    quota,
)

OPEN = frozenset({Endpoint.MANIFEST, Endpoint.BLOB, Endpoint.TAGS, Endpoint.REFERRERS})
"""What may be read without a token."""
_READ = frozenset({"GET", "HEAD"})
_KNOWN_CLIENTS = 10_000
_BURST_SECONDS = 10


class PublicDoor:
    """Who comes to the public registries, and how often."""

    def __init__(self, backend: Backend, deployment: Deployment, clock: Clock) -> None:
        self._backend = backend
        self._sealer: Sealer = backend.sealer
        self._clock = clock
        self._logins = Logins(backend.sealer, clock, open_public_login)
        self._strangers = _Limiter(clock, quota(deployment, "PublicAnonymousPullsPerSecond"))
        self._known = _Limiter(clock, quota(deployment, "PublicPullsPerSecond"))

    def login(self, request: Request, route: Route, challenge: Sequence[Header]) -> Login:
        """Who asks. Raises RegistryError: 401 with `challenge` where a name or a token is needed."""
        authorization = request.headers.get(b"authorization")
        if authorization is None and request.method in _READ and route.endpoint in OPEN:
            return ANONYMOUS
        login = self._logins.login(authorization, challenge)
        if login is ANONYMOUS and not (request.method in _READ and route.endpoint in OPEN | {Endpoint.BASE}):
            raise RegistryError(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "Not Authorized", challenge)
        return login

    def admit(self, request: Request, route: Route, login: Login) -> None:
        """Count a pull (GET of a manifest); raises RegistryError (429) for one too many of an address, or of an account."""
        if route.endpoint is not Endpoint.MANIFEST or request.method != "GET":
            return
        if login.principal is None:
            self._strangers.admit(request.arrival.source_ip, "Data limit exceeded for unauthenticated pulls: sign in")
        else:
            self._known.admit(login.principal.account, "Rate exceeded")

    async def key(self, name: str) -> RepositoryKey:
        """The repository of `ALIAS/REPOSITORY`; raises RegistryError (404) for an alias that nobody has."""
        alias, _, repository = name.partition("/")
        async with self._backend.storage.store.snapshot() as tx:
            account = await account_of(tx, alias)
        if account is None or not repository:
            raise name_unknown(name)
        return RepositoryKey(account, PUBLIC, repository)

    def token(self, request: Request) -> Response:
        """GET: a Bearer token for who signs in with a password of GetAuthorizationToken, and an anonymous one for others."""
        if request.method != "GET":
            raise method_not_allowed(["GET"])
        authorization, now = request.header(b"authorization"), self._clock.now()
        if authorization is None:
            token, lifetime = anonymous_token(self._sealer, now)
            seconds = int(lifetime.total_seconds())
        else:
            try:
                opened = open_public_login(self._sealer, authorization)
            except (NotARegistryToken, InvalidSeal, ExpiredSeal) as error:
                message = "Your Authorization Token is invalid or has expired."
                raise RegistryError(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", message) from error
            token = authorization.partition(" ")[2].strip()
            seconds = 0 if opened is None else max(1, int(opened.expires - now.timestamp()))
        body = {"token": token, "access_token": token, "expires_in": seconds or 60}
        return Response(HTTPStatus.OK, [*json_headers(), (b"cache-control", b"no-store")], msgspec.json.encode(body))

    async def logo(self, request: Request, name: str) -> Response:
        """GET: a repository's logo, for everybody."""
        if request.method not in _READ:
            raise method_not_allowed(_READ)
        key = await self.key(name)
        async with self._backend.storage.store.snapshot() as tx:
            found = await find_logo(tx, key)
        if found is None:
            raise name_unknown(name)
        kind, content = found
        headers = [*json_headers(kind.encode()), (b"x-content-type-options", b"nosniff")]
        return Response(HTTPStatus.OK, headers, content)


class _Limiter:
    """A rate for each of many clients; the ones that were longest away are forgotten."""

    def __init__(self, clock: Clock, per_second: int) -> None:
        self._clock = clock
        self._rate = Rate(per_second, per_second * _BURST_SECONDS)
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def admit(self, client: str, message: str) -> None:
        """Return when the client may; raises RegistryError (429). A rate of 0 is none."""
        if not self._rate.per_second:
            return
        bucket, seconds = take(self._buckets.pop(client, None), self._rate, self._clock.monotonic())
        self._buckets[client] = bucket
        if len(self._buckets) > _KNOWN_CLIENTS:
            self._buckets.popitem(last=False)
        if seconds:
            headers = [(b"retry-after", b"%d" % math.ceil(seconds))]
            raise RegistryError(HTTPStatus.TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message, headers)
