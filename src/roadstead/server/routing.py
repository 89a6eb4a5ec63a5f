"""One listener, several edges: which ASGI application answers which path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from roadstead.services.iam.api import ISSUERS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Question = Callable[[], Awaitable[str]]
"""What is wrong; empty when nothing is."""

HEALTH = "/_roadstead/health"
READY = "/_roadstead/ready"
METRICS = "/metrics"

_SIGNED = b"AWS4-HMAC-SHA256"


class Router:
    """The server's ASGI application.

    `/v2/` belongs to the registry and `/metrics` to the metrics unless the request is signed as AWS requests are; websockets go by the
    longest path prefix. Health and readiness name the `instance`, so that no other deployment on the same port passes for this one.
    """

    def __init__(
        self,
        *,
        gateway: App,
        registry: App,
        issuers: App,
        links: Mapping[str, App],
        metrics: CollectorRegistry,
        healthy: Question,
        ready: Question,
        instance: str,
    ) -> None:
        self._gateway = gateway
        self._registry = registry
        self._issuers = issuers
        self._links = sorted(links.items(), key=lambda item: -len(item[0]))
        self._metrics = metrics
        self._instance = instance
        self._questions = {HEALTH: healthy, READY: ready}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the connection to its edge."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            raise RuntimeError(f"unexpected ASGI scope {scope['type']}")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path in self._questions and scope["method"] == "GET":
            await _answer(send, *self._state(await self._questions[path]()))
        elif path == METRICS and scope["method"] == "GET" and not _is_signed(scope):
            await _answer(send, 200, CONTENT_TYPE_LATEST.encode(), generate_latest(self._metrics))
        elif path.startswith(ISSUERS):
            await self._issuers(scope, receive, send)
        elif (path == "/v2" or path.startswith("/v2/")) and not _is_signed(scope):
            await self._registry(scope, receive, send)
        else:
            await self._gateway(scope, receive, send)

    def _state(self, wrong: str) -> tuple[int, bytes, bytes]:
        document = {"status": "unavailable" if wrong else "ok", "instance": self._instance}
        if wrong:
            document["reason"] = wrong
        return 503 if wrong else 200, b"application/json", msgspec.json.encode(document)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        for prefix, app in self._links:
            if scope["path"].startswith(prefix):
                await app(scope, receive, send)
                return
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "no such link"})


def _is_signed(scope: Scope) -> bool:
    if b"X-Amz-Algorithm=" in scope["query_string"]:
        return True
    return any(name == b"authorization" and value.startswith(_SIGNED) for name, value in scope["headers"])


async def _answer(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
