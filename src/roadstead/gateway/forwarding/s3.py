"""S3 for an upstream that has it: bodies stream both ways."""

from __future__ import annotations

from dataclasses import dataclass

from roadstead.access.errors import AccessDenied, AuthenticationError, AuthenticationFailure
from roadstead.core.forwarding.s3.access import needs_of, needs_of_deletion
from roadstead.core.forwarding.s3.documents import Denied, deletion_document, deletions, with_denied
from roadstead.core.forwarding.s3.errors import AuthorizationQueryParametersError, RequestExpired
from roadstead.gateway.body import ClientGone, TooManyBodies
from roadstead.gateway.failures import in_s3s_words
from roadstead.gateway.forwarding.admission import Admission, Admitted, Ask, Decide
from roadstead.gateway.forwarding.bodies import Incoming
from roadstead.gateway.forwarding.passing import Passing, relayed
from roadstead.gateway.forwarding.request import Call, Head
from roadstead.gateway.forwarding.s3_call import MAX_DOCUMENT, S3Call, read_call
from roadstead.gateway.forwarding.s3_routes import target_of
from roadstead.gateway.forwarding.s3_upstream import SERVICE, rewritten, upstream_request
from roadstead.gateway.forwarding.upstreams import Upstream
from roadstead.gateway.outcome import Outcome
from roadstead.gateway.protocols import HttpResponse, codecs


@dataclass(frozen=True, slots=True)
class _Going:
    """One request on its way."""

    call: Call
    asked: S3Call
    body: Incoming
    outcome: Outcome


class S3Forwarding:
    """Answers requests to S3."""

    def __init__(self, admission: Admission, passing: Passing, idle: float) -> None:
        self._admission = admission
        self._passing = passing
        self._idle = idle

    async def answer(self, call: Call) -> Outcome:
        """The outcome of a request: sent already when it is the upstream's answer; raises TooManyBodies."""
        head, outcome = call.head, Outcome(HttpResponse(500), service=SERVICE)
        body = Incoming(call.receive, head.length or 0, self._idle)
        try:
            asked = read_call(head)
            outcome.operation, outcome.target = asked.route.operation, target_of(asked.route)
            outcome.params = asked.told()
            await self._answer(_Going(call, asked, body, outcome))
        except TooManyBodies:
            raise
        except ClientGone:
            outcome.break_off()
        except Exception as error:  # noqa: BLE001 - the edge of a request: every error becomes an answer
            self._passing.refuse(_worded(error, head), codecs.S3, outcome, call.request_id)
            outcome.response = _sendable(outcome.response, head, body)
        return outcome

    async def _answer(self, going: _Going) -> None:
        asked, document = going.asked, None
        if asked.reads_document:
            document = await going.body.whole(MAX_DOCUMENT, going.call.take)
            asked.check_document(document)
        if asked.route.operation == "DeleteObjects":
            await self._delete(going, document or b"")
            return
        needs = needs_of(asked.request(document))

        async def decide(ask: Ask, upstream: Upstream, _region: str) -> None:
            common = asked.signature_keys(upstream.account, self._passing.clock.now())
            for need in needs:
                await ask(need.action, need.resources, {**common, **need.keys})

        await self._pass(going, await self._admit(going, decide), document)

    async def _admit(self, going: _Going, decide: Decide) -> Admitted:
        asked = going.asked
        return await self._admission.admit(
            asked.signed, asked.claim, going.call.arrival, SERVICE, decide, going.outcome
        )

    async def _pass(self, going: _Going, admitted: Admitted, document: bytes | None) -> None:
        keys = await self._passing.keys(admitted)
        request = upstream_request(going.asked, admitted, keys, going.body, self._passing.clock.now(), document)
        own = (("x-amz-request-id", going.call.request_id),)
        response = await self._passing.call(admitted, request, going.body, own, going.call.send)
        relayed(going.outcome, response)

    async def _delete(self, going: _Going, document: bytes) -> None:
        """DeleteObjects: what may not be deleted is told of one by one, the rest is."""
        asked = going.asked
        objects, quiet = deletions(asked.place.bucket or "", document)
        denied: list[Denied] = []

        async def decide(ask: Ask, upstream: Upstream, _region: str) -> None:
            common = asked.signature_keys(upstream.account, self._passing.clock.now())
            for each in objects:
                try:
                    for need in needs_of_deletion(each.place, asked.headers):
                        await ask(need.action, need.resources, {**common, **need.keys})
                except AccessDenied as error:
                    denied.append(Denied(each.place, in_s3s_words(error)))

        admitted = await self._admit(going, decide)
        refused = {each.place for each in denied}
        allowed = [each for each in objects if each.place not in refused]
        if not denied:
            await self._pass(going, admitted, document)
            return
        answer = HttpResponse(200, (), b"")
        if allowed:
            changed, now = deletion_document(allowed, quiet=quiet), self._passing.clock.now()
            keys = await self._passing.keys(admitted)
            request = upstream_request(rewritten(asked, changed), admitted, keys, going.body, now, changed)
            answer = await self._passing.whole_answer(admitted, request, MAX_DOCUMENT)
        content = with_denied(answer.body, denied) if answer.status == 200 else answer.body
        headers = (("Content-Type", "application/xml"), ("x-amz-request-id", going.call.request_id))
        going.outcome.response = HttpResponse(answer.status, headers, content)


def _worded(error: Exception, head: Head) -> Exception:
    """What S3 says of a presigned URL: one whose time is over is denied."""
    if not isinstance(error, AuthenticationError) or not head.presigned:
        return error
    if error.failure is AuthenticationFailure.EXPIRED_SIGNATURE:
        return RequestExpired("Request has expired")
    if error.failure in (AuthenticationFailure.INCOMPLETE, AuthenticationFailure.BAD_SCOPE):
        return AuthorizationQueryParametersError(error.message)
    return error


def _sendable(response: HttpResponse, head: Head, body: Incoming) -> HttpResponse:
    """An error as it can be sent: without a body to HEAD, and closing where a body was announced that will not be asked for."""
    headers = response.headers
    if "expect" in head.headers and not body.started:
        headers = (*headers, ("Connection", "close"))
    return HttpResponse(response.status, headers, b"" if head.method == "HEAD" else response.body)
