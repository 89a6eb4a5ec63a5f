"""The gateway as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from roadstead.gateway.body import BodyTimeout, BodyTooLarge, ClientGone, read_body
from roadstead.gateway.dispatch import Dispatcher, Outcome
from roadstead.gateway.metrics import GatewayMetrics
from roadstead.gateway.protocols import HttpRequest, HttpResponse
from roadstead.kernel.ids import request_id as new_request_id

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log = structlog.get_logger("request")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request. Bytes; seconds between chunks of a body, and for a whole body."""

    body: int = 32 * 1024 * 1024
    idle: float = 20.0
    total: float = 300.0


class Gateway:
    """Reads requests, has them dispatched, writes answers, logs and counts."""

    def __init__(self, dispatcher: Dispatcher, metrics: GatewayMetrics, limits: Limits | None = None) -> None:
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._limits = limits or Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        started = time.perf_counter()
        request_id = new_request_id()
        headers = _headers(scope["headers"])
        self._metrics.under_way.inc()
        try:
            outcome = await self._answer(scope, headers, receive, request_id)
            if outcome is not None:
                await _send(send, outcome.response, closes=outcome.response.status in (408, 413))
        finally:
            self._metrics.under_way.dec()
        if outcome is not None:
            self._account(outcome, scope, headers, request_id, time.perf_counter() - started)

    async def _answer(self, scope: Scope, headers: dict[str, str], receive: Receive, request_id: str) -> Outcome | None:
        limits = self._limits
        length = headers.get("content-length")
        try:
            body = await read_body(
                receive,
                declared=int(length) if length and length.isdecimal() else None,
                limit=limits.body,
                idle=limits.idle,
                total=limits.total,
            )
        except BodyTooLarge:
            text = f"The request body is longer than {limits.body} bytes."
            return _edge_failure(413, "RequestEntityTooLarge", text, request_id)
        except BodyTimeout:
            text = "The request body did not arrive in time."
            return _edge_failure(408, "RequestTimeout", text, request_id)
        except ClientGone:
            return None
        request = HttpRequest(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
        )
        return await self._dispatcher.handle(request, request_id)

    def _account(
        self, outcome: Outcome, scope: Scope, headers: dict[str, str], request_id: str, seconds: float
    ) -> None:
        self._metrics.requests.labels(outcome.service, outcome.operation, outcome.code).inc()
        self._metrics.seconds.labels(outcome.service, outcome.operation).observe(seconds)
        client = scope.get("client")
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
            source=client[0] if client else "",
            user_agent=headers.get("user-agent", ""),
            ms=round(seconds * 1000, 2),
        )


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _edge_failure(status: int, code: str, message: str, request_id: str) -> Outcome:
    body = msgspec.json.encode({"__type": code, "message": message})
    headers = (("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", request_id))
    return Outcome(HttpResponse(status, headers, body), code=code)


async def _send(send: Send, response: HttpResponse, *, closes: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", str(len(response.body)).encode()))
    if closes:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
