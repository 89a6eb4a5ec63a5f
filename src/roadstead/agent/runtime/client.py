"""One connection to containerd's gRPC API over its unix socket.

grpclib's channel connects when it is first used and again after the peer went away, so a containerd that restarts is met
by the next call. Every call has a deadline; what can't be delivered is `ContainerdUnavailable`, never a hang.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from grpclib.client import Channel, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from grpclib.protocol import Connection

from roadstead.agent.runtime.api.version_pb2 import VersionResponse
from roadstead.agent.runtime.errors import (
    AlreadyExists,
    ContainerdError,
    ContainerdUnavailable,
    FailedPrecondition,
    NotFound,
    RuntimeFault,
)

Answer = TypeVar("Answer", bound=Message)
Result = TypeVar("Result")

SHORT_CALL = 10.0
"""Seconds for a call that touches metadata only."""

LONG_CALL = 60.0
"""Seconds for a call in which a shim or an engine works: create, start, delete."""

_PROBE = 2.0
_RETRY = 0.05

_BY_STATUS: dict[Status, type[ContainerdError]] = {
    Status.NOT_FOUND: NotFound,
    Status.ALREADY_EXISTS: AlreadyExists,
    Status.FAILED_PRECONDITION: FailedPrecondition,
}
_AWAY = frozenset({Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED})
_GO_AWAY = ("context deadline exceeded", "context canceled")
"""How Go words an end of patience that containerd passes on from a shim without its status, at the end of the message."""
_LOST_CONNECTION = (OSError, ProtocolError, StreamTerminatedError, TimeoutError)


def translate(error: GRPCError) -> ContainerdError | ContainerdUnavailable:
    """The typed error for a gRPC status."""
    message = error.message or error.status.name
    if error.status in _AWAY or (error.status is Status.UNKNOWN and message.endswith(_GO_AWAY)):
        return ContainerdUnavailable(message)
    return _BY_STATUS.get(error.status, ContainerdError)(message)


@contextmanager
def _typed_errors(path: str) -> Generator[None]:
    try:
        yield
    except GRPCError as error:
        raise translate(error) from error
    except _LOST_CONNECTION as error:
        raise ContainerdUnavailable(f"{path}: {error or type(error).__name__}") from error
    except AttributeError as error:
        # grpclib takes the transport off a connection that ended, and starts a call on one that ended as it was made.
        if not isinstance(error.obj, Connection):
            raise
        raise ContainerdUnavailable(f"{path}: the connection ended as it was made") from error


async def _apart(work: Coroutine[None, None, Result]) -> Result:
    """Do the work of a call in a task of its own.

    grpclib cancels the tasks of calls whose connection is lost, and makes an error of every cancellation that it finds then: one that
    was meant for the caller would be lost, when it comes in the same turn of the loop.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    return task.result()


class Client:
    """Calls on containerd, all in one of its namespaces."""

    def __init__(self, socket: Path, namespace: str) -> None:
        self.namespace = namespace
        self._channel = Channel(path=str(socket))
        self._returning: asyncio.Task[None] | None = None
        self._metadata = {"containerd-namespace": namespace}

    async def call(self, path: str, request: Message, answer: type[Answer], within: float = SHORT_CALL) -> Answer:
        """One unary call of `path` (`/package.Service/Method`), in `within` seconds at most; raises RuntimeFault."""
        method = UnaryUnaryMethod(self._channel, path, type(request), answer)
        with _typed_errors(path):
            return await _apart(method(request, timeout=within, metadata=self._metadata))

    async def collect(
        self, path: str, request: Message, answer: type[Answer], within: float = SHORT_CALL
    ) -> list[Answer]:
        """All messages of a call that answers with a stream that ends; raises RuntimeFault."""
        method = UnaryStreamMethod(self._channel, path, type(request), answer)
        with _typed_errors(path):
            return list(await _apart(method(request, timeout=within, metadata=self._metadata)))

    async def version(self, within: float = _PROBE) -> str:
        """Containerd's version; raises ContainerdUnavailable."""
        path = "/containerd.services.version.v1.Version/Version"
        return (await self.call(path, Empty(), VersionResponse, within)).version

    async def ready(self, within: float) -> str:
        """Wait up to `within` seconds until containerd answers; its version. Raises ContainerdUnavailable."""
        deadline = time.monotonic() + within
        while True:
            try:
                return await self.version(min(_PROBE, max(_RETRY, deadline - time.monotonic())))
            except ContainerdUnavailable:
                if time.monotonic() + _RETRY >= deadline:
                    raise
            await asyncio.sleep(_RETRY)

    async def back(self, within: float) -> None:
        """Wait up to `within` seconds until containerd answers again; any number of callers share one probe."""
        if self._returning is None or self._returning.done():
            self._returning = asyncio.create_task(self._probe(), name="containerd's return")
        await asyncio.wait([self._returning], timeout=within)

    async def _probe(self) -> None:
        while True:
            try:
                await self.version()
            except RuntimeFault:
                await asyncio.sleep(_RETRY)
            else:
                return

    async def close(self) -> None:
        """Close the connection; calls under way end with ContainerdUnavailable."""
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.wait([self._returning])
        self._channel.close()
