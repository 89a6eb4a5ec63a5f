"""The registry as an ASGI application: from a path to an endpoint, and from whatever happens to an answer."""

from __future__ import annotations

from http import HTTPStatus

import structlog

from roadstead.access.authorization_message import encoded_message, with_encoded
from roadstead.access.errors import AccessDenied
from roadstead.audit.trail import Trail
from roadstead.kernel.clock import Clock
from roadstead.kernel.settings import Deployment
from roadstead.registry import blobs, catalog, manifests, referrers, tags, uploads
from roadstead.registry.base import SERVICE, challenge, support, token
from roadstead.registry.call import Backend, Call
from roadstead.registry.call import Endpoint as Handler
from roadstead.registry.errors import RegistryError, method_not_allowed, name_invalid, translate
from roadstead.registry.http import (
    BrokenOff,
    ClientGone,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    json_headers,
    respond,
)
from roadstead.registry.layers import get_layer
from roadstead.registry.logins import Login, Logins
from roadstead.registry.names import PUBLIC_REGISTRIES, RegistryId, RegistryNames
from roadstead.registry.public import PublicDoor
from roadstead.registry.repeats import VERSION, offer_again
from roadstead.registry.routes import Endpoint, InvalidName, Route, find_route
from roadstead.registry.trail import Exchange, RegistryTrail
from roadstead.services.ecr.api import RepositoryKey
from roadstead.store.blobs import BlobUnknown, StorageUnavailable

_log = structlog.stdlib.get_logger(__name__)

ENDPOINTS: dict[Endpoint, dict[str, Handler]] = {
    Endpoint.MANIFEST: {
        "GET": manifests.get_manifest,
        "HEAD": manifests.get_manifest,
        "PUT": manifests.put_manifest_endpoint,
        "DELETE": manifests.delete_manifest,
    },
    Endpoint.BLOB: {"GET": blobs.get_blob, "HEAD": blobs.head_blob, "DELETE": blobs.delete_blob},
    Endpoint.UPLOADS: {"POST": uploads.post_upload},
    Endpoint.UPLOAD: {
        "GET": uploads.get_upload,
        "PATCH": uploads.patch_upload,
        "PUT": uploads.put_upload,
        "DELETE": uploads.delete_upload,
    },
    Endpoint.TAGS: {"GET": tags.get_tags},
    Endpoint.REFERRERS: {"GET": referrers.get_referrers},
    Endpoint.CATALOG: {"GET": catalog.get_catalog},
}
"""Every endpoint that works on a repository, or on all of a registry, by path and method."""

_READ = frozenset({"GET", "HEAD"})


class RegistryApp:
    """Serves `/v2/…` of every account and region."""

    def __init__(self, backend: Backend, deployment: Deployment, clock: Clock, trail: Trail) -> None:
        self._backend = backend
        self._clock = clock
        self._trail = RegistryTrail(trail)
        self._names = RegistryNames(deployment)
        self._logins = Logins(backend.sealer, clock)
        self._public = PublicDoor(backend, deployment, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP exchange."""
        request = Request(scope, receive)
        exchange = self._trail.begin(request)
        error: Exception | None = None
        known: RegistryError | None = None
        try:
            response = await self._answer(scope, exchange)
        except ClientGone as gone:
            self._trail.broken_off(exchange, scope, gone)
            return
        except Exception as caught:  # noqa: BLE001 - the edge: every error becomes an answer
            error, known = caught, self._known(exchange, caught)
            response = _error_response(known)
        event = self._trail.tell(exchange, scope, response, error, known)  # whether or not the answer arrives
        if response.repeatable is not None:
            offer_again(scope, request, response, self._trail.recurring(event))
        response.headers.append((b"x-amzn-requestid", exchange.request_id.encode()))
        try:
            await _send(send, request, response)
        except ClientGone:
            _log.info("a client stopped reading", path=request.path)
        except BrokenOff as broken:  # the server closes the connection of an answer that does not end
            _log.error(
                "the content of a blob is broken off",
                request_id=exchange.request_id,
                path=request.path,
                error=str(broken),
            )
        except (BlobUnknown, StorageUnavailable) as missing:  # before the first byte
            _log.error(
                "the content of a blob is out of reach",
                request_id=exchange.request_id,
                path=request.path,
                error=str(missing),
            )
            await _send(send, request, _error_response(self._known(exchange, missing)))

    async def _answer(self, scope: Scope, exchange: Exchange) -> Response:
        request = exchange.request
        route = exchange.route = self._route(request)
        match route.endpoint:
            case Endpoint.LAYER:
                return await self._layer(request, route)
            case Endpoint.TOKEN if request.query("service") != SERVICE:
                return self._public.token(request)
            case Endpoint.LOGO:
                return await self._public.logo(request, route.name)
            case _:
                pass
        host = request.header(b"host") or ""
        scheme = str(scope.get("scheme", "http"))
        registry = self._names.resolve(host, request.query("ns"))
        if registry == PUBLIC_REGISTRIES:
            login = exchange.login = self._public.login(request, route, challenge(scheme, host, public=True))
        else:
            ways = challenge(scheme, host)
            login = exchange.login = self._logins.login(request.headers.get(b"authorization"), ways)
        if route.endpoint is Endpoint.BASE:
            _require_read(request)
            return support()
        if route.endpoint is Endpoint.TOKEN:
            _require_read(request)
            return token(request.headers[b"authorization"], login, self._clock.now().timestamp())
        handler = ENDPOINTS[route.endpoint].get(request.method)
        if handler is None:
            raise method_not_allowed(ENDPOINTS[route.endpoint])
        key = exchange.key = await self._key(registry, route, login)
        if key.is_public:
            self._public.admit(request, route, login)
        call = Call(self._backend, request, login, key, route.name, route.argument, exchange.decided)
        return await handler(call)

    def _known(self, exchange: Exchange, error: Exception) -> RegistryError:
        """What the client is told; a denial with the encoded message that DecodeAuthorizationMessage explains."""
        if isinstance(error, AccessDenied) and error.decided is not None:
            encoded = encoded_message(self._backend.sealer, error.decided, self._clock.now())
            return RegistryError(HTTPStatus.FORBIDDEN, "DENIED", with_encoded(error.message, encoded))
        known = translate(error)
        if known is not None:
            return known
        reference = exchange.request_id
        _log.error("the registry failed", request_id=reference, path=exchange.request.path, exc_info=error)
        message = f"internal error, request {reference}"
        return RegistryError(HTTPStatus.INTERNAL_SERVER_ERROR, "UNKNOWN", message)

    def _route(self, request: Request) -> Route:
        try:
            route = find_route(request.path)
        except InvalidName as error:
            raise name_invalid(str(error)) from error
        if route is None:
            raise RegistryError(HTTPStatus.NOT_FOUND, "UNSUPPORTED", "no such endpoint")
        return route

    async def _key(self, registry: RegistryId | None, route: Route, login: Login) -> RepositoryKey:
        if registry is None:
            raise RegistryError(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", "this server does not hold images of that host")
        if login.region != registry.region:
            message = f"Your authorization token is for {login.region}, this registry is in {registry.region}."
            raise RegistryError(HTTPStatus.FORBIDDEN, "DENIED", message)
        if registry == PUBLIC_REGISTRIES:
            return await self._public.key(route.name)
        return RepositoryKey(registry.account, registry.region, route.name)

    async def _layer(self, request: Request, route: Route) -> Response:
        _require_read(request)
        return await get_layer(self._backend, request, route.argument)


async def _send(send: Send, request: Request, response: Response) -> None:
    response.headers.append(VERSION)
    await respond(send, request, response)


def _require_read(request: Request) -> None:
    if request.method not in _READ:
        raise method_not_allowed(_READ)


def _error_response(known: RegistryError) -> Response:
    return Response(known.status, json_headers(extra=known.headers), known.body())
