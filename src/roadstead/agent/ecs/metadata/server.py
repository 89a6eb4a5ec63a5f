"""Serving metadata and credentials on a socket inside the agent's namespace.

A task reads only what is its own: the source address of a request says which task asks, and the addresses can't be borrowed
(`agent.ecs.network.task`). Plain HTTP on a link-local address, as on AWS.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
from aiohttp import web

from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.launch import UnusableTask, read_task
from roadstead.agent.ecs.metadata.documents import (
    Document,
    container_document,
    container_of_endpoint,
    credentials_document,
    task_document,
)
from roadstead.agent.ecs.records import TaskRecord
from roadstead.agent.kernelnet import in_namespace

log = structlog.get_logger(__name__)

_CREDENTIALS = re.compile(r"/v2/credentials/(?P<id>[A-Za-z0-9_-]{1,64})/?")
_METADATA = re.compile(r"/v[34]/(?P<id>[A-Za-z0-9_-]{1,64})(?P<rest>(?:/[A-Za-z]+){0,2})/?")
_PROTECTION = re.compile(r"/api/(?P<id>[A-Za-z0-9_-]{1,64})/task-protection/v1/state/?")


CONNECTIONS = 64
"""How many connections a task may hold."""
_IDLE_SECONDS = 5.0
"""How long a connection may be without a request, as with Amazon's agent."""


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, document: object) -> None:
        super().__init__(status)
        self.status = status
        self.document = document


class MetadataServer:
    """An async context manager; serves while it is open. `records` gives the tasks that are here now."""

    def __init__(
        self,
        namespace: Path | None,
        address: tuple[str, int],
        records: Callable[[], Iterable[TaskRecord]],
        credentials: CredentialStore,
    ) -> None:
        self._namespace = namespace
        self._address = address
        self._records = records
        self._credentials = credentials
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        listener = await asyncio.to_thread(in_namespace, self._namespace, lambda: _listen(self._address))
        server = _Server(self._handle, keepalive_timeout=_IDLE_SECONDS)
        self._runner = web.ServerRunner(server, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            status, document = 200, self.answer(request.method, request.path, request.remote or "")
        except Refused as refusal:
            status, document = refusal.status, refusal.document
        log.info("metadata request", path=_without_id(request.path), source=request.remote, status=status)
        return web.Response(
            status=status,
            body=msgspec.json.encode(document),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    def answer(self, method: str, path: str, source: str) -> Document:
        """The document at a path for whoever asks from `source`; raises Refused."""
        record = next((each for each in self._records() if each.link_address == source), None)
        if record is None:
            raise Refused(
                404, {"code": "UnknownTask", "message": "the request does not come from a task of this instance"}
            )
        if match := _PROTECTION.fullmatch(path):
            self._container(record, match["id"])
            raise Refused(501, _not_built("task scale-in protection"))
        if method not in ("GET", "HEAD"):
            raise Refused(405, {"code": "MethodNotAllowed", "message": f"{method} is not allowed here"})
        if match := _CREDENTIALS.fullmatch(path):
            return self._credentials_of(record, match["id"])
        if match := _METADATA.fullmatch(path):
            return self._metadata(record, match["id"], match["rest"])
        raise Refused(404, {"code": "NotFound", "message": "there is nothing at this path"})

    def _credentials_of(self, record: TaskRecord, identity: str) -> Document:
        held = self._credentials.application(identity)
        if held is None or held.task_arn != record.task.arn:
            # The same answer for an id of another task as for one that does not exist.
            raise Refused(
                400,
                {"code": "InvalidIdInRequest", "message": "CredentialsV2Request: ID not found", "HTTPErrorCode": 400},
            )
        return credentials_document(held.credentials)

    def _metadata(self, record: TaskRecord, identity: str, rest: str) -> Document:
        container = self._container(record, identity)
        try:
            launches = read_task(record.task)
        except UnusableTask as error:
            raise Refused(500, {"code": "InternalServerError", "message": str(error)}) from error
        match rest:
            case "":
                return container_document(record, launches, record.containers[container])
            case "/task":
                return task_document(record, launches)
            case "/taskWithTags":
                raise Refused(501, _not_built("tags in task metadata"))
            case "/stats" | "/task/stats":
                raise Refused(501, _not_built("statistics in task metadata"))
            case _:
                raise Refused(404, {"code": "NotFound", "message": "there is nothing at this path"})

    def _container(self, record: TaskRecord, identity: str) -> str:
        container = container_of_endpoint(record, identity)
        if container is None:
            raise Refused(
                404, {"code": "NotFound", "message": "V4 metadata handler: unable to find a container with this ID"}
            )
        return container.name


class _Server(web.Server):
    """Holds a few connections of each source: a task with ever more would leave the agent no file to open for the others."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._sources: dict[web.RequestHandler, str] = {}
        self._held = Counter[str]()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        source = self._sources[handler] = str((transport.get_extra_info("peername") or ("",))[0])
        self._held[source] += 1
        if self._held[source] > CONNECTIONS:
            asyncio.get_running_loop().call_soon(transport.abort)  # the handler is at its first step yet

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if (source := self._sources.pop(handler, None)) is not None:
            self._held[source] -= 1
            if not self._held[source]:
                del self._held[source]


def _listen(address: tuple[str, int]) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(128)
    except BaseException:
        opened.close()
        raise
    return opened


def _without_id(path: str) -> str:
    return path if not path.startswith("/v2/credentials/") else "/v2/credentials/…"


def _not_built(what: str) -> Document:
    return {"code": "NotImplemented", "message": f"{what} is not implemented by this agent"}
