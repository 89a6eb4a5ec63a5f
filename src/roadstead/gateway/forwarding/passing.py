"""One call of an upstream, from the signed request to the client's answer; and what the client is told when there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from roadstead.access.authorization_message import encoded_message
from roadstead.access.errors import AccessDenied, AuthenticationError
from roadstead.access.gatekeeper import Gatekeeper
from roadstead.gateway.failures import authentication_failure, denial
from roadstead.gateway.forwarding.admission import Admitted
from roadstead.gateway.forwarding.bodies import Incoming
from roadstead.gateway.forwarding.client import UpstreamClient, UpstreamFailed, UpstreamRequest, whole
from roadstead.gateway.forwarding.credentials import NoKeys, UpstreamKeys
from roadstead.gateway.forwarding.relay import Send, relay
from roadstead.gateway.outcome import BROKEN_OFF, BROKEN_OFF_CODE, Outcome
from roadstead.gateway.protocols import HttpResponse
from roadstead.gateway.protocols.codec import Codec, Failure
from roadstead.kernel.clock import Clock
from roadstead.kernel.errors import InternalFailure, InvalidRequest, ServiceError, ServiceUnavailable
from roadstead.store import StoreError, UnstorableValue

_FAULT = "The request processing has failed because of an unknown error, exception or failure."
_log = structlog.get_logger("forwarding")


class UpstreamUnavailable(ServiceUnavailable):
    """The upstream can't be reached, or does not answer."""

    code = "ServiceUnavailable"


def relayed(outcome: Outcome, response: HttpResponse) -> None:
    """Note in the outcome that an upstream's answer was passed on."""
    outcome.response, outcome.relayed = response, True
    outcome.code = relayed_code(response.status)
    if response.status == BROKEN_OFF:
        outcome.message = "The answer broke off: the upstream or the client left."


def relayed_code(status: int) -> str:
    """What logs and metrics call an answer that was passed on."""
    if status == BROKEN_OFF:
        return BROKEN_OFF_CODE
    return "OK" if status < 400 else f"Upstream{status}"


@dataclass(frozen=True, slots=True)
class Passing:
    """What every call of an upstream needs."""

    client: UpstreamClient
    gatekeeper: Gatekeeper
    clock: Clock

    async def keys(self, admitted: Admitted) -> UpstreamKeys:
        """The keys of the upstream; raises UpstreamUnavailable."""
        try:
            return await admitted.upstream.keys.current()
        except NoKeys as error:
            raise UpstreamUnavailable(
                f"The upstream of {admitted.upstream.service} can't be called: {error}."
            ) from error

    async def call(
        self,
        admitted: Admitted,
        request: UpstreamRequest,
        body: Incoming,
        own: Iterable[tuple[str, str]],
        send: Send,
    ) -> HttpResponse:
        """Call the upstream and pass its answer on; the status that the client was told, without what else it was.

        Raises UpstreamUnavailable, what was wrong with the body, and ClientGone.
        """
        try:
            async with self.client.answer(admitted.upstream, admitted.region, request) as response:
                complete = await relay(response, own, body, send)
                return HttpResponse(response.status if complete else BROKEN_OFF)
        except UpstreamFailed as error:
            raise body.failure or UpstreamUnavailable(str(error)) from error

    async def whole_answer(self, admitted: Admitted, request: UpstreamRequest, limit: int) -> HttpResponse:
        """Call the upstream and read its answer, of `limit` bytes at most; raises UpstreamUnavailable."""
        try:
            async with self.client.answer(admitted.upstream, admitted.region, request) as response:
                what = f"The upstream of {admitted.upstream.service}"
                return HttpResponse(response.status, (), await whole(response, what, limit))
        except UpstreamFailed as error:
            raise UpstreamUnavailable(str(error)) from error

    def refuse(self, error: Exception, codec: Codec, outcome: Outcome, request_id: str) -> None:
        """Make an error the outcome's answer; what is not one of ours is logged and answered as our own fault."""
        if isinstance(error, AuthenticationError):
            failure = authentication_failure(error, codec.family)
        elif isinstance(error, AccessDenied):
            failure = denial(error, codec.family, self._encoded(error))
            outcome.message = error.message
        else:
            failure = Failure.of(self._own_error(error, outcome, request_id))
            outcome.message = failure.message
        outcome.code = failure.code
        model = outcome.target.service if outcome.target is not None else None
        outcome.response = codec.serialize_error(model, failure, request_id)

    def _own_error(self, error: Exception, outcome: Outcome, request_id: str) -> ServiceError:
        if isinstance(error, ServiceError):
            return error
        if isinstance(error, UnstorableValue):
            return InvalidRequest(f"The request can't be served: {error}.")
        if isinstance(error, StoreError):
            _log.error("store failed", request_id=request_id, operation=outcome.operation, error=str(error))
            return ServiceUnavailable("The store can't serve this request now.")
        _log.error("forwarding failed", request_id=request_id, operation=outcome.operation, exc_info=error)
        return InternalFailure(_FAULT)

    def _encoded(self, error: AccessDenied) -> str | None:
        decided = error.decided
        return encoded_message(self.gatekeeper.sealer, decided, self.clock.now()) if decided is not None else None
