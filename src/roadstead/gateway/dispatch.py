"""One request, from its bytes to the bytes of its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from roadstead.access.authorization_message import encoded_message
from roadstead.access.decided import Decided
from roadstead.access.errors import AccessDenied, AuthenticationError, AuthenticationFailure
from roadstead.access.gatekeeper import Caller, Gate, Gatekeeper
from roadstead.access.principal import Principal
from roadstead.access.resource import KeyValues, Named
from roadstead.access.signed_request import SignatureClaim, read_claim
from roadstead.core.sigv4 import SignableRequest
from roadstead.gateway.failures import Failure, authentication_failure, denial
from roadstead.gateway.payload import payload_hash
from roadstead.gateway.protocols import HttpRequest, HttpResponse
from roadstead.gateway.protocols.detect import Target, Unidentified, identify
from roadstead.gateway.protocols.validate import validate
from roadstead.kernel.clock import Clock
from roadstead.kernel.errors import InternalFailure, NotImplementedByRoadstead, ServiceError, ServiceUnavailable
from roadstead.kernel.settings import Deployment
from roadstead.services.iam.api import UseRecorder
from roadstead.services.operation import OPERATIONS, Context, Operation
from roadstead.store import Store, StoreError, Transaction

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}|global")
_log = structlog.get_logger("gateway")


@dataclass(slots=True)
class Outcome:
    """An answer, and what the request log and the trail say of the request."""

    response: HttpResponse
    service: str = "-"
    operation: str = "-"
    code: str = "OK"
    account: str = "-"
    region: str = "-"
    principal: str = "-"
    message: str = ""
    """What the error says, without what only the caller is told."""
    target: Target | None = None
    caller: Caller | None = None
    """None until the signature held."""
    params: Mapping[str, object] | None = None
    result: Mapping[str, object] | None = None
    decisions: Sequence[Decided] = ()


@dataclass(frozen=True, slots=True)
class _Call:
    """A request whose operation and signature were read."""

    request_id: str
    target: Target
    request: HttpRequest
    signed: SignableRequest
    claim: SignatureClaim


class Dispatcher:
    """Runs operations. One for each server; it keeps no state of requests."""

    def __init__(
        self,
        *,
        store: Store,
        gatekeeper: Gatekeeper,
        deployment: Deployment,
        clock: Clock,
        components: Mapping[type, object],
    ) -> None:
        self._store = store
        self._gatekeeper = gatekeeper
        self._deployment = deployment
        self._clock = clock
        self._components = components

    async def handle(self, request: HttpRequest, request_id: str) -> Outcome:
        """Answer a request; every error becomes an answer in the service's own shape."""
        signed = SignableRequest(request.method, request.path, request.query, request.headers, payload_hash(request))
        claim = _claim_of(signed)
        scope_service = claim.scope.service if isinstance(claim, SignatureClaim) else None
        try:
            target = identify(request, scope_service, request.headers.get("host", ""))
        except Unidentified as error:
            return Outcome(error.answer(request_id), code=error.error_code)
        outcome = Outcome(
            HttpResponse(500), service=target.service_name, operation=target.operation_name, target=target
        )
        try:
            call = _Call(request_id, target, request, signed, _readable(claim))
            result = await self._run(call, outcome)
            outcome.response = target.codec.serialize_response(target.operation, result, request_id)
            outcome.result = result
        except AuthenticationError as error:
            _refuse(outcome, target, authentication_failure(error, target.codec.family), request_id)
        except AccessDenied as error:
            outcome.message = error.message
            _refuse(outcome, target, denial(error, target.codec.family, self._encoded(error)), request_id)
        except ServiceError as error:
            _fail(outcome, target, error, request_id)
        except StoreError as error:
            _log.error("store failed", request_id=request_id, operation=target.operation_name, error=str(error))
            _fail(outcome, target, ServiceUnavailable("The store can't serve this request now."), request_id)
        except Exception:  # noqa: BLE001 - the edge of a request: logged here, answered as InternalFailure
            _log.exception("operation failed", request_id=request_id, operation=target.operation_name)
            text = "The request processing has failed because of an unknown error, exception or failure."
            _fail(outcome, target, InternalFailure(text), request_id)
        return outcome

    async def _run(self, call: _Call, outcome: Outcome) -> Mapping[str, object]:
        target = call.target
        operation = OPERATIONS.get(f"{target.service_name}:{target.operation_name}")

        async def work(tx: Transaction) -> Mapping[str, object]:
            gate = self._gatekeeper.at(tx)
            outcome.decisions = gate.decisions
            caller = await gate.authenticate(call.signed, call.claim)
            _check_scope(target, caller.region, caller.service)
            principal = caller.principal
            outcome.caller = caller
            outcome.account, outcome.region, outcome.principal = principal.account, caller.region, str(principal.arn)
            if operation is None:
                raise NotImplementedByRoadstead(
                    f"{target.service_name}:{target.operation_name} is not implemented by Roadstead."
                )
            params = target.codec.parse_request(target.operation, call.request)
            outcome.params = params
            validate(target.service_name, target.operation, params)
            ctx = self._context(tx, gate, principal, caller.region, call.request_id)
            await _authorise(ctx, operation, params)
            if operation.authorised:
                ctx.component(UseRecorder).used(principal, operation.action, caller.region)
            return await operation.handler(ctx, params)

        if operation is None or operation.reads:
            async with self._store.snapshot() as tx:
                return await work(tx)
        return await self._store.run(work)

    def _encoded(self, error: AccessDenied) -> str | None:
        decided = error.decided
        return encoded_message(self._gatekeeper.sealer, decided, self._clock.now()) if decided is not None else None

    def _context(self, tx: Transaction, gate: Gate, principal: Principal, region: str, request_id: str) -> Context:
        async def authorise(action: str, resources: Sequence[Named], context: KeyValues | None = None) -> None:
            await gate.authorise(principal, action, resources, {"aws:RequestedRegion": region, **(context or {})})

        return Context(
            request_id=request_id,
            account=principal.account,
            region=region,
            principal=principal,
            clock=self._clock,
            tx=tx,
            deployment=self._deployment,
            authorise=authorise,
            components=self._components,
        )


async def _authorise(ctx: Context, operation: Operation, params: Mapping[str, object]) -> None:
    if operation.authorised:
        resources = await operation.resources(ctx, params) if operation.resources is not None else ("*",)
        keys = await operation.keys(ctx, params) if operation.keys is not None else None
        await ctx.authorise(operation.action, resources, keys)


def _claim_of(signed: SignableRequest) -> SignatureClaim | AuthenticationError:
    """What the signature says, or why it can't be read: the service's own protocol words that, so it waits until that is known."""
    try:
        return read_claim(signed)
    except AuthenticationError as error:
        return error


def _readable(claim: SignatureClaim | AuthenticationError) -> SignatureClaim:
    if isinstance(claim, AuthenticationError):
        raise claim
    return claim


def _check_scope(target: Target, region: str, service: str) -> None:
    if not _REGION.fullmatch(region):
        text = f"Credential should be scoped to a valid region, not '{region}'. "
        raise AuthenticationError(AuthenticationFailure.BAD_SCOPE, text)
    if service != target.signing_name:
        text = f"Credential should be scoped to correct service: '{target.signing_name}'. "
        raise AuthenticationError(AuthenticationFailure.BAD_SCOPE, text)


def _refuse(outcome: Outcome, target: Target, failure: Failure, request_id: str) -> None:
    outcome.code = failure.code
    outcome.response = target.codec.serialize_error(
        target.service,
        target.operation,
        code=failure.code,
        message=failure.message,
        members={},
        status=failure.status,
        request_id=request_id,
    )


def _fail(outcome: Outcome, target: Target, error: ServiceError, request_id: str) -> None:
    outcome.code, outcome.message = error.error_code, error.message
    outcome.response = target.codec.serialize_error(
        target.service,
        target.operation,
        code=error.error_code,
        message=error.message,
        members=error.members,
        status=error.status,
        request_id=request_id,
    )
