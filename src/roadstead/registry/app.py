"""The registry as an ASGI application: from a path to an endpoint, and from whatever happens to an answer."""

from __future__ import annotations

from http import HTTPStatus

import structlog

from roadstead.kernel.clock import Clock
from roadstead.kernel.ids import request_id
from roadstead.kernel.settings import Deployment
from roadstead.registry import blobs, manifests, referrers, tags, uploads
from roadstead.registry.base import challenge, support
from roadstead.registry.call import Backend, Call
from roadstead.registry.call import Endpoint as Handler
from roadstead.registry.errors import Header, RegistryError, name_invalid, translate
from roadstead.registry.http import ClientGone, Receive, Request, Response, Scope, Send, json_headers, respond
from roadstead.registry.layers import get_layer
from roadstead.registry.logins import Login, Logins
from roadstead.registry.names import RegistryNames
from roadstead.registry.routes import Endpoint, InvalidName, Route, find_route
from roadstead.services.ecr.api import RepositoryKey
from roadstead.store.blobs import BlobUnknown

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
}
"""Every endpoint that works on a repository, by path and method."""

_READ = frozenset({"GET", "HEAD"})
_VERSION: Header = (b"docker-distribution-api-version", b"registry/2.0")


class RegistryApp:
    """Serves `/v2/…` of every account and region."""

    def __init__(self, backend: Backend, deployment: Deployment, clock: Clock) -> None:
        self._backend = backend
        self._names = RegistryNames(deployment)
        self._logins = Logins(backend.sealer, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP exchange."""
        request = Request(scope, receive)
        try:
            response = await self._answer(scope, request)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the edge: every error becomes an answer
            response = _error_response(request, error)
        try:
            await _send(send, request, response)
        except ClientGone:
            _log.info("a client stopped reading", path=request.path)
        except BlobUnknown as error:  # before the first byte
            _log.error("the content of a blob is missing", path=request.path)
            await _send(send, request, _error_response(request, error))

    async def _answer(self, scope: Scope, request: Request) -> Response:
        route = self._route(request)
        if route.endpoint is Endpoint.LAYER:
            return await self._layer(request, route)
        host = request.header(b"host") or ""
        realm = challenge(str(scope.get("scheme", "http")), host)
        login = self._logins.login(request.headers.get(b"authorization"), realm)
        if route.endpoint is Endpoint.BASE:
            if request.method not in _READ:
                raise _unsupported()
            return support()
        handler = ENDPOINTS[route.endpoint].get(request.method)
        if handler is None:
            raise _unsupported()
        return await handler(
            Call(self._backend, request, login, self._key(request, route, login, host), route.argument)
        )

    def _route(self, request: Request) -> Route:
        try:
            route = find_route(request.path)
        except InvalidName as error:
            raise name_invalid(str(error)) from error
        if route is None:
            raise RegistryError(HTTPStatus.NOT_FOUND, "UNSUPPORTED", "no such endpoint")
        return route

    def _key(self, request: Request, route: Route, login: Login, host: str) -> RepositoryKey:
        registry = self._names.resolve(host, request.query("ns"))
        if registry is None:
            raise RegistryError(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", "this server does not hold images of that host")
        if login.region != registry.region:
            message = f"Your authorization token is for {login.region}, this registry is in {registry.region}."
            raise RegistryError(HTTPStatus.FORBIDDEN, "DENIED", message)
        return RepositoryKey(registry.account, registry.region, route.name)

    async def _layer(self, request: Request, route: Route) -> Response:
        if request.method not in _READ:
            raise _unsupported()
        return await get_layer(self._backend, request, route.argument)


async def _send(send: Send, request: Request, response: Response) -> None:
    response.headers.append(_VERSION)
    await respond(send, request, response)


def _unsupported() -> RegistryError:
    return RegistryError(HTTPStatus.METHOD_NOT_ALLOWED, "UNSUPPORTED", "The operation is unsupported.")


def _error_response(request: Request, error: Exception) -> Response:
    known = translate(error)
    if known is None:
        reference = request_id()
        _log.error("the registry failed", request_id=reference, path=request.path, exc_info=error)
        message = f"internal error, request {reference}"
        known = RegistryError(HTTPStatus.INTERNAL_SERVER_ERROR, "UNKNOWN", message)
    headers = json_headers(extra=known.headers)
    return Response(known.status, headers, known.body())
