"""One request, from its bytes to the bytes of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

import msgspec
import structlog
from botocore.model import ServiceModel

from roadstead.access.arrival import NOWHERE, Arrival
from roadstead.access.authorization_message import encoded_message
from roadstead.access.errors import AccessDenied, AuthenticationError
from roadstead.access.gatekeeper import Caller, Gate, Gatekeeper
from roadstead.access.principal import Principal
from roadstead.access.signed_request import SignatureClaim, read_claim
from roadstead.core.sigv4 import SignableRequest
from roadstead.gateway.failures import authentication_failure, denial
from roadstead.gateway.outcome import Outcome
from roadstead.gateway.payload import payload_hash
from roadstead.gateway.protocols import Codec, Failure, HttpRequest, HttpResponse
from roadstead.gateway.protocols.detect import Target, Unidentified, identify
from roadstead.gateway.protocols.validate import validate
from roadstead.gateway.protocols.validation_style import value_error
from roadstead.gateway.scope import check_scope
from roadstead.kernel.clock import Clock
from roadstead.kernel.errors import (
    InternalFailure,
    NotImplementedByRoadstead,
    ServerException,
    ServiceError,
    ServiceUnavailable,
)
from roadstead.kernel.settings import Deployment
from roadstead.services.operation import OPERATIONS, Afterwards, Context, Operation, Outside, Vouched
from roadstead.services.sts.api import check_credentials
from roadstead.store import Store, StoreError, Transaction, UnstorableValue
from roadstead.store.blobs import BlobError

_UNSIGNED = "none"
_log = structlog.get_logger("gateway")


class _Call(msgspec.Struct, frozen=True):
    """A request whose operation is known."""

    request_id: str
    target: Target
    request: HttpRequest
    signed: SignableRequest
    claim: SignatureClaim | AuthenticationError
    arrival: Arrival

    @property
    def signature(self) -> SignatureClaim:
        """What the signature says; raises AuthenticationError."""
        if isinstance(self.claim, AuthenticationError):
            raise self.claim
        return self.claim

    def parameters(self, outcome: Outcome) -> Mapping[str, object]:
        """The parameters, held against the model, also noted in the outcome; raises the protocol's errors."""
        outcome.params = params = self.target.codec.parse_request(self.target.operation, self.request)
        validate(self.target.service_name, self.target.operation, params)
        return params


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

    async def handle(self, request: HttpRequest, request_id: str, arrival: Arrival = NOWHERE) -> Outcome:
        """Answer a request; every error becomes an answer in the service's own shape."""
        signed = SignableRequest(request.method, request.path, request.query, request.headers, payload_hash(request))
        claim = _claim_of(signed)
        scope_service = claim.scope.service if isinstance(claim, SignatureClaim) else None
        try:
            target = identify(request, scope_service, request.headers.get("host", ""))
        except Unidentified as error:
            return Outcome(error.answer(request_id), code=error.error_code, message=error.message)
        outcome = _outcome(target, claim)
        try:
            call = _Call(request_id, target, request, signed, claim, arrival)
            result = await self._run(call, outcome)
            outcome.response = target.codec.serialize_response(target.operation, result, request_id)
            outcome.result = result
        except AuthenticationError as error:
            outcome.message = error.message
            _refuse(outcome, target, authentication_failure(error, target.codec.family), request_id)
        except AccessDenied as error:
            outcome.message = error.message
            _refuse(outcome, target, denial(error, target.codec.family, self._encoded(error)), request_id)
        except ServiceError as error:
            _fail(outcome, target, error, request_id)
        except UnstorableValue as error:
            refused = value_error(target.service_name, target.operation, f"The request can't be kept: {error}.")
            _fail(outcome, target, refused, request_id)
        except (StoreError, BlobError) as error:
            _log.error("store failed", request_id=request_id, operation=target.operation_name, error=str(error))
            _fail(outcome, target, ServiceUnavailable("The store can't serve this request now."), request_id)
        except Exception:  # noqa: BLE001 - the edge of a request: logged here, answered as a fault of ours
            _log.exception("operation failed", request_id=request_id, operation=target.operation_name)
            _fail(outcome, target, _fault(target), request_id)
        return outcome

    async def _run(self, call: _Call, outcome: Outcome) -> Mapping[str, object]:
        target = call.target
        operation = OPERATIONS.get(f"{target.service_name}:{target.operation_name}")
        if operation is None and target.operation.auth_type == _UNSIGNED:
            raise _not_built(target)
        if operation is None or operation.signed:
            _ = call.signature
        prepared = (
            await self._before(call, operation, outcome)
            if operation is not None and operation.before is not None
            else None
        )

        async def work(tx: Transaction) -> Mapping[str, object] | Afterwards:
            gate = self._gatekeeper.at(tx, call.arrival)
            outcome.decisions = gate.decisions
            caller = await self._caller(gate, call, operation, prepared)
            outcome.is_of(caller)
            if operation is None:
                raise _not_built(target)
            params = call.parameters(outcome)
            ctx = self._context(tx, gate, caller, call.request_id, prepared)
            await _authorise(ctx, operation, params)
            return await operation.handler(ctx, params)

        if operation is None or operation.reads:
            async with self._store.snapshot() as tx:
                answer = await work(tx)
        else:
            answer = await self._store.run(work)
        return await answer.work() if isinstance(answer, Afterwards) else answer

    async def _caller(self, gate: Gate, call: _Call, operation: Operation | None, prepared: object) -> Caller:
        """Who the request is for: who signed it, or whom its operation found out."""
        target = call.target
        if operation is not None and not operation.signed:
            vouched = cast("Vouched", prepared)
            return Caller(vouched.principal, self._deployment.region, target.signing_name)
        caller = await gate.authenticate(call.signed, call.signature)
        check_scope(caller, target.signing_name)
        check_credentials(caller.principal, target.service_name, target.operation_name)
        return caller

    async def _before(self, call: _Call, operation: Operation, outcome: Outcome) -> object:
        """What the operation waits for outside of its transaction; it may ask who calls, and whether the caller may."""
        params = call.parameters(outcome)

        async def context(tx: Transaction, *, authorised: bool = True) -> Context:
            gate = self._gatekeeper.at(tx, call.arrival)
            outcome.decisions = gate.decisions
            caller = await self._caller(gate, call, operation, None)
            outcome.is_of(caller)
            ctx = self._context(tx, gate, caller, call.request_id, None)
            if authorised:
                await _authorise(ctx, operation, params)
            return ctx

        async def asked(*, authorised: bool) -> Principal:
            async with self._store.snapshot() as tx:
                return (await context(tx, authorised=authorised)).principal

        outside = Outside(
            store=self._store,
            clock=self._clock,
            deployment=self._deployment,
            components=self._components,
            caller=partial(asked, authorised=False),
            authorised=partial(asked, authorised=True),
            context=context,
        )
        before = operation.before
        return await before(outside, params) if before is not None else None

    def _encoded(self, error: AccessDenied) -> str | None:
        decided = error.decided
        if decided is None or not decided.principal.account:
            return None
        return encoded_message(self._gatekeeper.sealer, decided, self._clock.now())

    def _context(self, tx: Transaction, gate: Gate, caller: Caller, request_id: str, prepared: object) -> Context:
        principal, region = caller.principal, caller.region
        return Context(
            request_id=request_id,
            account=principal.account,
            region=region,
            principal=principal,
            clock=self._clock,
            tx=tx,
            deployment=self._deployment,
            authorise=partial(gate.authorise, principal),
            components=self._components,
            prepared=prepared,
        )


async def _authorise(ctx: Context, operation: Operation, params: Mapping[str, object]) -> None:
    if operation.authorised:
        resources = await operation.resources(ctx, params) if operation.resources is not None else ("*",)
        keys = await operation.keys(ctx, params) if operation.keys is not None else None
        await ctx.authorise(operation.action, resources, keys)


def unfinished(request: HttpRequest) -> Outcome:
    """What is known of a request that broke off, from what came of it; nothing of it was verified."""
    outcome, _, _ = _by_head(request)
    outcome.break_off()
    return outcome


def unread(request: HttpRequest, status: int, code: str, message: str, request_id: str) -> Outcome:
    """The refusal of a request whose body was not read, in the protocol that its head speaks."""
    outcome, codec, service = _by_head(request)
    outcome.code, outcome.message = code, message
    outcome.response = codec.serialize_error(service, Failure(code, status, message), request_id)
    return outcome


def _by_head(request: HttpRequest) -> tuple[Outcome, Codec, ServiceModel | None]:
    """What a head alone says of a request: a form names its operation in the body, but its service and protocol are known."""
    signed = SignableRequest(request.method, request.path, request.query, request.headers, "")
    claim = _claim_of(signed)
    scope_service = claim.scope.service if isinstance(claim, SignatureClaim) else None
    try:
        target = identify(request, scope_service, request.headers.get("host", ""))
    except Unidentified as error:
        return _outcome(None, claim), error.codec, error.service
    return _outcome(target, claim), target.codec, target.service


def _outcome(target: Target | None, claim: SignatureClaim | AuthenticationError) -> Outcome:
    outcome = Outcome(HttpResponse(500), target=target)
    if target is not None:
        outcome.service, outcome.operation = target.service_name, target.operation_name
    if isinstance(claim, SignatureClaim):
        outcome.claimed_key = claim.access_key_id
    return outcome


def _claim_of(signed: SignableRequest) -> SignatureClaim | AuthenticationError:
    """What the signature says, or why it can't be read: the service's own protocol words that, so it waits until that is known."""
    try:
        return read_claim(signed)
    except AuthenticationError as error:
        return error


def _not_built(target: Target) -> NotImplementedByRoadstead:
    name = f"{target.service_name}:{target.operation_name}"
    return NotImplementedByRoadstead(f"{name} is not implemented by Roadstead.")


def _fault(target: Target) -> ServiceError:
    """A fault of ours, as the operation's model has it."""
    text = "The request processing has failed because of an unknown error, exception or failure."
    is_modelled = any(shape.name == ServerException.__name__ for shape in target.operation.error_shapes)
    return ServerException(text) if is_modelled else InternalFailure(text)


def _refuse(outcome: Outcome, target: Target, failure: Failure, request_id: str) -> None:
    outcome.code = failure.code
    outcome.response = target.codec.serialize_error(target.service, failure, request_id)


def _fail(outcome: Outcome, target: Target, error: ServiceError, request_id: str) -> None:
    outcome.code, outcome.message = error.error_code, error.message
    outcome.response = target.codec.serialize_error(target.service, Failure.of(error), request_id)
