"""What the registry tells the trail: each exchange under the name of the ECR operation that does the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from roadstead.access.decided import Decided
from roadstead.access.errors import AccessDenied
from roadstead.audit.decisions import event_resource
from roadstead.audit.event import Event
from roadstead.audit.trail import Recurring, Trail
from roadstead.kernel.ids import request_id as new_request_id
from roadstead.registry.errors import RegistryError
from roadstead.registry.http import ClientGone, Request, Response, Scope
from roadstead.registry.logins import Login
from roadstead.registry.routes import Endpoint, Route
from roadstead.services.ecr.api import PUBLIC, PUBLIC_REGION, RepositoryKey

LOGIN = "RegistryLogin"
_NAMES: dict[Endpoint, dict[str, str]] = {
    Endpoint.BASE: {"GET": LOGIN, "HEAD": LOGIN},
    Endpoint.MANIFEST: {
        "GET": "BatchGetImage",
        "HEAD": "BatchGetImage",
        "PUT": "PutImage",
        "DELETE": "BatchDeleteImage",
    },
    Endpoint.BLOB: {
        "GET": "GetDownloadUrlForLayer",
        "HEAD": "BatchCheckLayerAvailability",
        "DELETE": "BatchDeleteImage",
    },
    Endpoint.UPLOADS: {"POST": "InitiateLayerUpload"},
    Endpoint.UPLOAD: {
        "GET": "UploadLayerPart",
        "PATCH": "UploadLayerPart",
        "PUT": "CompleteLayerUpload",
        "DELETE": "InitiateLayerUpload",
    },
    Endpoint.TAGS: {"GET": "ListImages"},
    Endpoint.REFERRERS: {"GET": "ListImageReferrers"},
    Endpoint.CATALOG: {"GET": "DescribeRepositories"},
    Endpoint.LAYER: {"GET": "GetLayer", "HEAD": "GetLayer"},
    Endpoint.TOKEN: {"GET": "GetRegistryToken", "HEAD": "GetRegistryToken"},
    Endpoint.LOGO: {"GET": "GetRepositoryLogo", "HEAD": "GetRepositoryLogo"},
}
_UNKNOWN = "UnknownOperation"
_BROKEN_OFF = RegistryError(
    HTTPStatus.BAD_REQUEST, "BrokenOff", "The client closed the connection before its request was complete."
)
_ARGUMENTS = {
    Endpoint.BLOB: "layerDigest",
    Endpoint.UPLOAD: "uploadId",
    Endpoint.REFERRERS: "subjectDigest",
}
_QUERIES = {"mount": "mountedDigest", "from": "mountedFrom", "digest": "layerDigest"}


@dataclass(slots=True)
class Exchange:
    """What is known so far of a request; an error leaves the rest unknown."""

    request: Request
    request_id: str
    route: Route | None = None
    login: Login | None = None
    key: RepositoryKey | None = None
    decided: dict[str, Sequence[Decided]] = field(default_factory=dict[str, Sequence[Decided]])


class RegistryTrail:
    """Turns exchanges into events."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    def begin(self, request: Request) -> Exchange:
        """A request that came."""
        return Exchange(request, new_request_id())

    def broken_off(self, exchange: Exchange, scope: Scope, gone: ClientGone) -> None:
        """Record a request that did not come to its end: nobody was answered."""
        self.tell(exchange, scope, Response(HTTPStatus.BAD_REQUEST), gone, _BROKEN_OFF)

    def tell(
        self, exchange: Exchange, scope: Scope, response: Response, error: Exception | None, known: RegistryError | None
    ) -> Event | None:
        """Record how it was answered: `error` is what the endpoint raised, `known` what the client was told. Returns the event.

        A layer that is fetched by ticket was told of when the ticket was given out.
        """
        route, login, key = exchange.route, exchange.login, exchange.key
        if route is not None and route.endpoint is Endpoint.LAYER and error is None:
            return None
        request = exchange.request
        principal = login.principal if login is not None else None
        client = scope.get("client")
        resource = event_resource(str(key.arn)) if key is not None else None
        read_only = request.method in ("GET", "HEAD")
        denied = isinstance(error, AccessDenied)
        decisions = [each for decided in exchange.decided.values() for each in decided]
        if isinstance(error, AccessDenied) and error.decided is not None:
            decisions.append(error.decided)
        place = key.region if key is not None else login.region if login is not None else ""
        return self._trail.record(
            source="ecr-public" if place == PUBLIC else "ecr",
            name=_NAMES[route.endpoint].get(request.method, _UNKNOWN) if route is not None else _UNKNOWN,
            region=PUBLIC_REGION if place == PUBLIC else place,
            principal=principal,
            arn=str(principal.arn) if principal is not None else "",
            claimed_key="",
            source_ip=client[0] if client else "",
            user_agent=request.header(b"user-agent") or "",
            request_id=exchange.request_id,
            read_only=read_only,
            account=principal.account if principal is not None else "",
            parameters=_parameters(exchange),
            response=None if read_only or error is not None else _answered(response),
            error_code="" if known is None else "AccessDenied" if denied else known.code,
            error_message="" if known is None else error.message if isinstance(error, AccessDenied) else known.message,
            decisions=decisions,
            resources=(resource,) if resource is not None else (),
        )

    def recurring(self, event: Event | None) -> Callable[[str], None]:
        """What records the like of an event (of nothing, where none is kept) for the request id of another request."""
        made: Recurring | None = None

        def record(request_id: str) -> None:
            nonlocal made
            if event is None:
                return
            if made is None:  # most requests don't come again
                made = self._trail.recurring(event)
            self._trail.record_again(made, request_id)

        return record


def _parameters(exchange: Exchange) -> dict[str, object] | None:
    route, key, request = exchange.route, exchange.key, exchange.request
    if route is None or key is None:
        return None
    if route.endpoint is Endpoint.CATALOG:
        return {"registryId": key.account}
    found: dict[str, object] = {"registryId": key.account, "repositoryName": key.name}
    if route.endpoint is Endpoint.MANIFEST:
        kind = "imageDigest" if ":" in route.argument else "imageTag"
        found["imageIds"] = [{kind: route.argument[:256]}]
    elif route.endpoint in _ARGUMENTS:
        found[_ARGUMENTS[route.endpoint]] = route.argument[:256]
    elif route.endpoint is Endpoint.UPLOADS:
        queries = {told: request.query(name) for name, told in _QUERIES.items()}
        found |= {name: value[:256] for name, value in queries.items() if value}
    return found


def _answered(response: Response) -> dict[str, object] | None:
    digest = next((value for name, value in response.headers if name == b"docker-content-digest"), None)
    return {"digest": digest.decode("latin-1")} if digest is not None else None
