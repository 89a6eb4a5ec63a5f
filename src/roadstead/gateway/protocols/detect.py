"""Which service, operation and protocol a request is for.

What a request carries decides, strongest first: the X-Amz-Target header (JSON), the smithy-protocol header and path
(CBOR), the Action parameter (query and EC2), else method and path (REST). The credential scope and the Host name the
service where those leave it open, so that unsigned requests are identified too and get an error they can read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

import msgspec
from botocore.model import OperationModel, OperationNotFoundError, ServiceModel

from roadstead.gateway.models import SERVICES, Catalog, ServiceEntry, every_service, our_services, service_model
from roadstead.gateway.protocols import codecs
from roadstead.gateway.protocols.codec import Codec, Failure
from roadstead.gateway.protocols.compiler import PerModel
from roadstead.gateway.protocols.errors import (
    InvalidAction,
    MissingAction,
    NoSuchVersion,
    ProtocolError,
    UnknownOperationException,
    UnknownRoute,
    UnknownService,
)
from roadstead.gateway.protocols.form import form_asks
from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse
from roadstead.gateway.protocols.query_compatible import is_query_compatible
from roadstead.gateway.protocols.uri import Router
from roadstead.kernel.errors import NotImplementedByRoadstead, ServiceError

_FORM_PROTOCOLS = frozenset({"query", "ec2"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_EC2 = "2006-06-26"
_LONGEST_NAME = 255
"""Characters of a host's or a service's name; what is longer names nothing, and is not remembered with the targets of requests."""


class Target(msgspec.Struct, frozen=True):
    """What a request is for. `service_name` is botocore's; the signature must be scoped to `signing_name`."""

    service_name: str
    service: ServiceModel
    operation: OperationModel
    codec: Codec

    @property
    def operation_name(self) -> str:
        """The operation's name, as in `ecs:RunTask`."""
        return self.operation.name

    @property
    def signing_name(self) -> str:
        """The service's name in credential scopes."""
        return self.service.signing_name


class Unidentified(ServiceError):
    """The request is for nothing that a model names: the reason's code and status, and the way to answer."""

    def __init__(self, reason: ServiceError, codec: Codec, service: ServiceModel | None = None) -> None:
        super().__init__(reason.message)
        self.status = reason.status  # type: ignore[misc]
        self.reason = reason
        self.codec = codec
        self.service = service

    @property
    def error_code(self) -> str:
        """The reason's AWS error code."""
        return self.reason.error_code

    def answer(self, request_id: str) -> HttpResponse:
        """The error in the shape that the request's sender reads."""
        return self.codec.serialize_error(self.service, Failure.of(self), request_id)


def identify(
    request: HttpRequest,
    credential_scope_service: str | None,
    host: str,
    known: frozenset[str] = SERVICES,
) -> Target:
    """Finds service, operation and codec; raises Unidentified, whose error is an UnknownService, InvalidAction, ...

    `known` are the services, by botocore's names, that are answered for here or somewhere else.
    """
    target = request.headers.get("x-amz-target")
    if target is not None:
        if len(host) > _LONGEST_NAME:
            host = ""
        version = "1.0" if request.headers.get("content-type", "").startswith("application/x-amz-json-1.0") else "1.1"
        scope = credential_scope_service
        if scope is not None and len(scope) > _LONGEST_NAME:
            scope = ""
        return _json_target(target, version, _is_query_mode(request), scope, host, known)
    rpc = _rpc_path(request)
    if rpc is not None:
        return _cbor_target(request, *rpc, known)
    action = _form_action(request, credential_scope_service)
    if action is not None:
        return _form_target(request, *action, credential_scope_service, host, known)
    return _rest_target(request, credential_scope_service, host, known)


@lru_cache(maxsize=1024)
def _json_target(
    target: str, version: str, query_mode: bool, scope: str | None, host: str, known: frozenset[str]
) -> Target:
    prefix, _, name = target.rpartition(".")
    found = _preferred(_lookup(lambda catalog: catalog.by_target(prefix)), scope, host)
    entries = _known(found, known, codecs.json_codec(version))
    if not entries:
        # A wrong target for a service that the signature or the host names: that service does not know the operation.
        found = [entry for entry in _scoped(scope, host) if "json" in entry.protocols]
        entries = _known(found, known, codecs.json_codec(version))[:1]
        name = target
    if not entries:
        error = UnknownService(f"No service has the target {target!r}.")
        raise Unidentified(error, codecs.json_codec(version))
    service = service_model(entries[0].name)
    codec = codecs.json_codec(version, query_errors=query_mode and is_query_compatible(service))
    return _named(entries[0].name, service, name, codec)


def _rpc_path(request: HttpRequest) -> tuple[str, str] | None:
    if request.headers.get("smithy-protocol") != "rpc-v2-cbor":
        return None
    parts = request.path.split("/")
    if len(parts) >= 5 and parts[-4] == "service" and parts[-2] == "operation":
        return parts[-3], parts[-1]
    return "", ""


def _cbor_target(request: HttpRequest, service_name: str, operation: str, known: frozenset[str]) -> Target:
    entries = _lookup(lambda catalog: catalog.by_target(service_name)) if service_name else []
    if not entries:
        raise Unidentified(UnknownService(f"No service is at {request.path!r}."), codecs.cbor_codec())
    entries = _known(entries, known, codecs.cbor_codec())
    service = service_model(entries[0].name)
    codec = codecs.cbor_codec(query_errors=_is_query_mode(request) and is_query_compatible(service))
    return _named(entries[0].name, service, operation, codec)


def _named(name: str, service: ServiceModel, operation: str, codec: Codec) -> Target:
    try:
        return Target(name, service, service.operation_model(operation), codec)
    except OperationNotFoundError:
        error = UnknownOperationException(f"{service.service_id} has no operation {operation!r}.")
        raise Unidentified(error, codec, service) from None


def _form_action(request: HttpRequest, scope: str | None) -> tuple[str, str | None] | None:
    """Action and Version, None for a request that is not to a query service."""
    is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if not is_form and "Action=" not in request.query:
        return None
    if scope is not None and our_services().by_scope(scope) and not _form_services(_scoped(scope, "")):
        return None
    try:
        asked = form_asks(request)
    except ProtocolError as error:
        raise Unidentified(error, codecs.QUERY) from error
    return (asked.action or "", asked.version) if is_form or asked.action is not None else None


def _form_target(
    request: HttpRequest, action: str, version: str | None, scope: str | None, host: str, known: frozenset[str]
) -> Target:
    candidates = _form_services(_scoped(scope, host))
    if not candidates and version is not None:
        candidates = _lookup(lambda catalog: _form_services(catalog.by_version(version)))
    elif len(candidates) > 1 and version is not None:
        candidates = [entry for entry in candidates if entry.api_version == version] or candidates
    if not candidates:
        wanted = scope or host
        raise Unidentified(UnknownService(f"No service of {wanted!r} has the action {action!r}."), codecs.QUERY)
    candidates = _known(candidates, known, codecs.QUERY)
    services = [(entry, service_model(entry.name)) for entry in candidates]
    for entry, service in services:
        if action in service.operation_names and _speaks(entry, version):
            return Target(entry.name, service, service.operation_model(action), _form_codec(entry))
    entry, service = services[0]
    codec = _form_codec(entry)
    if not action:
        raise Unidentified(MissingAction("The request must contain the parameter Action."), codec, service)
    if codec is codecs.EC2 and not _speaks(entry, version):
        error = NoSuchVersion(f"The requested version ({version}) of service AmazonEC2 does not exist")
        raise Unidentified(error, codec, service)
    if codec is codecs.EC2:
        raise Unidentified(InvalidAction(f"The action {action} is not valid for this web service."), codec, service)
    error = InvalidAction(f"Could not find operation {action} for version {version or 'NO_VERSION_SPECIFIED'}")
    raise Unidentified(error, codec, service)


def _speaks(entry: ServiceEntry, version: str | None) -> bool:
    """Whether the service has that version: EC2 any since its first one, the others of ours their model's alone; others decide for themselves."""
    if "ec2" in entry.protocols:
        return version is None or (bool(_DATE.fullmatch(version)) and _FIRST_EC2 <= version <= entry.api_version)
    return entry.name not in SERVICES or version == entry.api_version


def _form_services(entries: Iterable[ServiceEntry]) -> list[ServiceEntry]:
    return [entry for entry in entries if _FORM_PROTOCOLS & set(entry.protocols)]


def _form_codec(entry: ServiceEntry) -> Codec:
    return codecs.EC2 if "ec2" in entry.protocols else codecs.QUERY


def _rest_target(request: HttpRequest, scope: str | None, host: str, known: frozenset[str]) -> Target:
    entries = _scoped(scope, host)
    if not entries and scope is None:
        entries = [entry for entry in our_services().entries if "rest-json" in entry.protocols]
    if not entries:
        error = UnknownService(f"No service is known as {scope or host!r}.")
        raise Unidentified(error, codecs.REST_JSON)
    entries = _known(entries, known, codecs.REST_JSON)
    rest = [entry for entry in entries if "rest-json" in entry.protocols]
    if not rest:
        raise _not_rest(request, entries[0])
    for entry in rest:
        service = service_model(entry.name)
        try:
            name = _routers(service).find(request.method, request.path, request.query)
        except ProtocolError as error:
            raise Unidentified(error, codecs.REST_JSON, service) from error
        if name is not None:
            return Target(entry.name, service, service.operation_model(name), codecs.REST_JSON)
    service = service_model(rest[0].name) if len(rest) == 1 else None
    error = UnknownRoute(
        f"Unable to determine service/operation name to be authorized: {request.method} {request.path}"
    )
    raise Unidentified(error, codecs.REST_JSON, service)


def _not_rest(request: HttpRequest, entry: ServiceEntry) -> Unidentified:
    if "json" in entry.protocols:
        error: ProtocolError = UnknownOperationException(f"A request to {entry.name} must have an X-Amz-Target header.")
        return Unidentified(error, codecs.json_codec("1.1"), service_model(entry.name))
    error = MissingAction("The request must contain the parameter Action.")
    return Unidentified(error, _form_codec(entry), service_model(entry.name))


def _known(entries: list[ServiceEntry], known: frozenset[str], codec: Codec) -> list[ServiceEntry]:
    """The services among these that somebody answers for; refuses what nobody does before a model, which may be large, is loaded."""
    found = [entry for entry in entries if entry.name in known]
    if entries and not found:
        name = entries[0].name
        text = f"The service {name} is not part of Roadstead; roadstead.toml can name an upstream that has it."
        raise Unidentified(NotImplementedByRoadstead(text), codecs.S3 if name == "s3" else codec)
    return found


def _is_query_mode(request: HttpRequest) -> bool:
    return request.headers.get("x-amzn-query-mode", "").lower() == "true"


def _scoped(scope: str | None, host: str) -> list[ServiceEntry]:
    if scope is not None:
        return _lookup(lambda catalog: catalog.by_scope(scope))
    return our_services().by_host(host)


def _lookup(find: Callable[[Catalog], list[ServiceEntry]]) -> list[ServiceEntry]:
    return find(our_services()) or find(every_service())


def _preferred(entries: list[ServiceEntry], scope: str | None, host: str) -> list[ServiceEntry]:
    if len(entries) < 2:
        return entries
    named = {entry.name for entry in _scoped(scope, host)}
    return [entry for entry in entries if entry.name in named] or entries


_routers: PerModel[ServiceModel, Router] = PerModel(Router)
