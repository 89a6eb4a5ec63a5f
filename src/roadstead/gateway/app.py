"""The gateway as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import structlog

from roadstead.access.arrival import arrival_of
from roadstead.audit.trail import Trail
from roadstead.gateway.body import BodyTimeout, BodyTooLarge, ClientGone, Memory, TooManyBodies, read_body
from roadstead.gateway.dispatch import Dispatcher, unfinished, unread
from roadstead.gateway.forwarding import Call, Forwarding, Head
from roadstead.gateway.metrics import GatewayMetrics
from roadstead.gateway.outcome import Outcome
from roadstead.gateway.protocols import HttpRequest, HttpResponse
from roadstead.gateway.trail import GatewayTrail
from roadstead.kernel.asgi import ANSWER, BODY_AT_HAND, Answer
from roadstead.kernel.ids import request_id as new_request_id

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_UNREAD: Mapping[type[Exception], tuple[int, str, str]] = MappingProxyType(
    {
        BodyTooLarge: (413, "RequestEntityTooLarge", "The request body is longer than {} bytes."),
        BodyTimeout: (408, "RequestTimeout", "The request body did not arrive in time."),
        TooManyBodies: (
            503,
            "RequestThrottled",
            "The server holds as many request bodies as it can. Please try again.",
        ),
    }
)
"""Status, code and message where the body was not read to its end: nothing can follow such an answer on the connection."""
_CLOSING = frozenset(code for _, code, _ in _UNREAD.values())
_log = structlog.get_logger("request")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request, and of all under way `together`. Bytes; seconds between chunks of a body, and for a whole body."""

    body: int = 32 * 1024 * 1024
    together: int = 256 * 1024 * 1024
    idle: float = 20.0
    total: float = 300.0


class Gateway:
    """Reads requests, has them dispatched, writes answers, logs and counts."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        metrics: GatewayMetrics,
        trail: Trail,
        limits: Limits | None = None,
        forwarding: Forwarding | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._forwarding = forwarding
        self._metrics = metrics
        self._trail = GatewayTrail(trail)
        self._limits = limits or Limits()
        self._memory = Memory(self._limits.together)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        started = time.perf_counter()
        request_id = new_request_id()
        headers = _headers(scope["headers"])
        self._metrics.under_way += 1
        try:
            with self._memory.share() as take:
                outcome = await self._answer(scope, headers, receive, send, take, request_id)
            client = scope.get("client")
            source, agent = client[0] if client else "", headers.get("user-agent", "")
            self._trail.tell(outcome, source, agent, request_id)  # whether or not the answer arrives
            if not outcome.relayed:
                await _send(scope, send, outcome.response, closes=outcome.code in _CLOSING)
        finally:
            self._metrics.under_way -= 1
        self._account(outcome, source, agent, request_id, time.perf_counter() - started)

    async def _answer(
        self,
        scope: Scope,
        headers: dict[str, str],
        receive: Receive,
        send: Send,
        take: Callable[[int], None],
        request_id: str,
    ) -> Outcome:
        limits, forwarding, arrival = self._limits, self._forwarding, arrival_of(scope)
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        length = headers.get("content-length")
        try:
            if forwarding is not None and forwarding.streams(head := Head(method, path, query, headers)):
                return await forwarding.stream(Call(head, request_id, arrival, receive, send, take))
            body = await read_body(
                receive,
                at_hand=scope.get(BODY_AT_HAND),
                declared=int(length) if length and length.isdecimal() else None,
                limit=limits.body,
                idle=limits.idle,
                total=limits.total,
                take=take,
            )
            request = HttpRequest(method, path, query, headers, body)
            if forwarding is not None:
                call = Call(Head(method, path, query, headers), request_id, arrival, receive, send, take)
                if (forwarded := await forwarding.answer(request, call)) is not None:
                    return forwarded
            return await self._dispatcher.handle(request, request_id, arrival)
        except (BodyTooLarge, BodyTimeout, TooManyBodies) as error:
            status, code, text = _UNREAD[type(error)]
            head_alone = HttpRequest(method, path, query, headers)
            return unread(head_alone, status, code, text.format(limits.body), request_id)
        except ClientGone:
            return unfinished(HttpRequest(method, path, query, headers))

    def _account(self, outcome: Outcome, source: str, agent: str, request_id: str, seconds: float) -> None:
        self._metrics.answered(outcome.service, outcome.operation, outcome.code, seconds)
        _log.info(
            "request",
            request_id=request_id,
            service=outcome.service,
            operation=outcome.operation,
            status=outcome.response.status,
            code=outcome.code,
            account=outcome.account,
            region=outcome.region,
            principal=outcome.principal,
            source=source,
            user_agent=agent,
            ms=round(seconds * 1000, 2),
        )


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by their names, which ASGI has in lower case; those of one name in one, as HTTP has it."""
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    if len(found) == len(pairs):
        return found
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {name: ",".join(values) for name, values in gathered.items()}


async def _send(scope: Scope, send: Send, response: HttpResponse, *, closes: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", str(len(response.body)).encode()))
    if closes:
        headers.append((b"connection", b"close"))
    answer: Answer | None = scope.get(ANSWER)
    if answer is not None:
        await answer(response.status, headers, response.body)
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
