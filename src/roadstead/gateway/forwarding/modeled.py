"""Services whose requests are parsed by their model (JSON, query, REST-JSON, CBOR) for upstreams that have them: answers stream."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import unquote

from botocore.model import ListShape, Shape

from roadstead.access.errors import AuthenticationError
from roadstead.access.signed_request import SignatureClaim, read_claim
from roadstead.core.sigv4 import SignableRequest
from roadstead.gateway.body import ClientGone
from roadstead.gateway.forwarding.admission import Admission, Admitted, Ask
from roadstead.gateway.forwarding.bodies import Incoming
from roadstead.gateway.forwarding.client import UpstreamRequest
from roadstead.gateway.forwarding.needs import needs_of
from roadstead.gateway.forwarding.passing import Passing, relayed
from roadstead.gateway.forwarding.request import Call, Head, encoded_query
from roadstead.gateway.forwarding.signing import passed_headers, signed_anew
from roadstead.gateway.forwarding.upstreams import Upstream, Upstreams
from roadstead.gateway.models import SERVICES
from roadstead.gateway.outcome import Outcome
from roadstead.gateway.payload import payload_hash
from roadstead.gateway.protocols import HttpRequest, HttpResponse
from roadstead.gateway.protocols.compiler import members_of, text_trait, wire_name
from roadstead.gateway.protocols.detect import Target, Unidentified, identify
from roadstead.gateway.protocols.errors import UnknownRoute

_HASH = "x-amz-content-sha256"


class ModeledForwarding:
    """Answers requests that were read as a whole."""

    def __init__(self, upstreams: Upstreams, admission: Admission, passing: Passing, idle: float) -> None:
        self._upstreams = upstreams
        self._known = SERVICES | upstreams.services
        self._admission = admission
        self._passing = passing
        self._idle = idle

    def target_of(self, request: HttpRequest) -> Target | None:
        """What a request is for, when that is an upstream's."""
        try:
            target = identify(request, _scope_of(request), request.headers.get("host", ""), self._known)
        except Unidentified as error:
            service = error.service
            if service is not None and service.service_name in self._upstreams.services:
                raise
            return None
        return target if target.service_name in self._upstreams.services else None

    async def answer(self, request: HttpRequest, target: Target, call: Call) -> Outcome:
        """The outcome of a request: sent already when it is the upstream's answer."""
        outcome = Outcome(
            HttpResponse(500), service=target.service_name, operation=target.operation_name, target=target
        )
        try:
            await self._answer(request, target, call, outcome)
        except ClientGone:
            outcome.break_off()
        except Exception as error:  # noqa: BLE001 - the edge of a request: every error becomes an answer
            self._passing.refuse(error, target.codec, outcome, call.request_id)
        return outcome

    async def _answer(self, request: HttpRequest, target: Target, call: Call, outcome: Outcome) -> None:
        signed = SignableRequest(request.method, request.path, request.query, request.headers, payload_hash(request))
        claim = read_claim(signed)

        async def decide(ask: Ask, upstream: Upstream, region: str) -> None:
            _check_path(request.path)
            params = target.codec.parse_request(target.operation, request)
            outcome.params = params
            for need in needs_of(target, params, upstream, region):
                await ask(need.action, need.resources, need.keys)

        admitted = await self._admission.admit(signed, claim, call.arrival, target.service_name, decide, outcome)
        ready = await self._upstream_request(request, target, call.head, admitted)
        own, body = (("x-amzn-RequestId", call.request_id),), Incoming(call.receive, 0, self._idle)
        relayed(outcome, await self._passing.call(admitted, ready, body, own, call.send))

    async def _upstream_request(
        self, request: HttpRequest, target: Target, head: Head, admitted: Admitted
    ) -> UpstreamRequest:
        keys = await self._passing.keys(admitted)
        upstream = admitted.upstream
        _, host = upstream.base(admitted.region)
        digest = sha256(request.body).hexdigest()
        headers = {**_own_headers(target, request), **passed_headers(request.headers), "host": host}
        if _HASH in headers:
            headers[_HASH] = digest
        is_json = target.codec.family == "json"
        path, query = ("/", "") if is_json else (request.path, encoded_query(_pairs(target, head)))
        headers = signed_anew(
            SignableRequest(request.method, path, query, headers, digest),
            keys,
            region=upstream.region(admitted.region),
            service=upstream.entry.signing_name,
            now=self._passing.clock.now(),
        )
        return UpstreamRequest(request.method, path, query, headers, request.body or None)


def _own_headers(target: Target, request: HttpRequest) -> dict[str, str]:
    """The headers that are members of the operation (`Description`, `X-Client-Token`), whatever they are called."""
    named = [name.lower() for name, _ in _located(target, "header")]
    return {name: request.headers[name] for name in named if name in request.headers}


def _pairs(target: Target, head: Head) -> list[tuple[str, str]]:
    """The query as it was read: every value of a list (`tagKeys=a&tagKeys=b`), and of other names the last one."""
    lists = {name for name, member in _located(target, "querystring") if isinstance(member, ListShape)}
    given = head.pairs()
    last = {name: place for place, (name, _) in enumerate(given)}
    return [(name, value) for place, (name, value) in enumerate(given) if name in lists or last[name] == place]


def _located(target: Target, location: str) -> list[tuple[str, Shape]]:
    """The members of the operation's input that are in this part of the request, by their names there."""
    shape = target.operation.input_shape
    members = members_of(shape).items() if shape is not None else ()
    return [(wire_name(name, member), member) for name, member in members if text_trait(member, "location") == location]


def _check_path(path: str) -> None:
    """Refuse what an upstream could take for another path than the one that was authorised."""
    if {".", ".."} & {unquote(segment) for segment in path.split("/")}:
        raise UnknownRoute("A path with dot segments is not passed on.")


def _scope_of(request: HttpRequest) -> str | None:
    try:
        claim: SignatureClaim = read_claim(
            SignableRequest(request.method, request.path, request.query, request.headers, "")
        )
    except AuthenticationError:
        return None
    return claim.scope.service
