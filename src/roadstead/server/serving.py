"""uvicorn as our server needs it: it stops in our order, and leaves signals to us.

uvicorn's own handling of SIGTERM ends the process as soon as the last connection is closed, before controllers have stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

import uvicorn

from roadstead.server.errors import UNAVAILABLE, ServerFailed
from roadstead.server.http import PatientHttpProtocol, RelayKeys
from roadstead.server.repeats import Repeats

DRAIN_SECONDS = 5
"""How long requests under way may take to finish."""
LINKS_SECONDS = 2.0
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048


def uvicorn_config(app: object, keys: RelayKeys) -> uvicorn.Config:
    """How uvicorn serves our application: no access log (the edges log), patient but not for ever.

    `keys` are those of relays.
    """

    class Protocol(PatientHttpProtocol):
        relay_keys = keys
        repeats = Repeats()

    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=Protocol,
        ws="websockets-sansio",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # a caller's address is the connection's, whatever its headers say
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        backlog=_BACKLOG,
    )


@contextlib.contextmanager
def listening(host: str, port: int) -> Generator[socket.socket]:
    """A socket that will listen on the address; raises ServerFailed when that is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ServerFailed(f"can't listen on {host}:{port}: {error.strerror}", UNAVAILABLE) from error
    with listener:
        yield listener


class HttpServer(uvicorn.Server):
    """Serves until `stop`: then no new connections, then `close_links`, then the requests under way are finished."""

    def __init__(self, config: uvicorn.Config, close_links: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._close_links = close_links
        self.listens = asyncio.Event()

    def stop(self) -> None:
        """End `serve` in order; a second call does not wait for requests."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are not uvicorn's business here."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        self.listens.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; websockets are told to go before their connections are cut."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, PatientHttpProtocol):
                connection.shutdown()  # what ends while links are closed has its connection closed too
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINKS_SECONDS):
                await self._close_links()
        await super().shutdown(sockets)


@contextlib.asynccontextmanager
async def beside(
    server: HttpServer, work: Callable[[], contextlib.AbstractAsyncContextManager[None]]
) -> AsyncGenerator[None]:
    """Enter `work` once the server listens, and leave it with the context."""

    async def run() -> None:
        await server.listens.wait()
        async with work():
            await asyncio.Event().wait()

    running = asyncio.create_task(run(), name="beside the server")
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
