"""The agent's control socket: how `roadstead down` asks it to stop every task and free everything before it ends, and `up` whether it works.

One request a connection, one line each way: `drain` is answered `drained` when nothing is left, or `failed: reason`; `health` is answered
`healthy` by an agent that has met containerd and whose loop turns, connected to a server or not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import structlog

_log = structlog.get_logger("agent.control")
_DRAIN = b"drain\n"
_DRAINED = b"drained\n"
_HEALTH = b"health\n"
_HEALTHY = b"healthy\n"
_POLL_SECONDS = 0.05


class DrainFailed(Exception):
    """The agent could not free everything; the text says what is left."""


@contextlib.asynccontextmanager
async def control_socket(path: Path, drain: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Serve requests on a Unix socket of mode 0600 while the context lasts."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readline()
            if request == _HEALTH:
                writer.write(_HEALTHY)
            elif request == _DRAIN:
                writer.write(await drained())
            else:
                writer.write(b"failed: unknown request\n")
            await writer.drain()
        except ConnectionError as error:
            _log.warning("control connection broke", error=str(error))
        finally:
            writer.close()

    async def drained() -> bytes:
        try:
            await drain()
        except Exception as error:  # noqa: BLE001 - told to whoever asked, and logged
            _log.exception("drain failed")
            return f"failed: {error}".replace("\n", " ").encode() + b"\n"
        return _DRAINED

    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, path)
    path.chmod(0o600)
    try:
        yield
    finally:
        server.close()  # not waited for: whoever asked to drain may still wait for the answer
        path.unlink(missing_ok=True)


async def request_drain(path: Path, *, patience: float) -> None:
    """Ask the agent to drain and wait until it has.

    An agent that is dead is asked again once it listens: whoever supervises it starts it anew, and draining goes on where it was.
    Raises DrainFailed when it can't free everything, or when none has listened for `patience` seconds.
    """
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while True:
        try:
            answer = await _ask(path, _DRAIN)
            heard = loop.time()
        except OSError as error:
            answer = b""
            if loop.time() - heard > patience:
                raise DrainFailed(f"no agent answers: {error}") from error
        if answer == _DRAINED:
            return
        if answer.endswith(b"\n"):
            raise DrainFailed(answer.decode().strip())
        await asyncio.sleep(_POLL_SECONDS)


async def answers(path: Path) -> bool:
    """Whether the agent says that it is healthy; raises OSError where none listens."""
    return await _ask(path, _HEALTH) == _HEALTHY


async def _ask(path: Path, request: bytes) -> bytes:
    """The agent's answer, without its newline when the agent ended before it was done; raises OSError."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()
