"""Runs a server until it is told to stop."""

from __future__ import annotations

import asyncio
import signal

import structlog
import uvloop

from roadstead.kernel.logging import configure_logging
from roadstead.server.parts import running_server
from roadstead.server.preload import models_loading
from roadstead.server.serving import HttpServer, beside, listening, uvicorn_config
from roadstead.server.settings import ServerSettings

STOP_SECONDS = 9.0
"""After so long, what still keeps a server that was told to stop is cut off."""
_log = structlog.get_logger("server")


class _Stop:
    """What SIGTERM and SIGINT do: before the server listens they call off its start, afterwards they stop it in order."""

    def __init__(self, serving: asyncio.Task[None]) -> None:
        self._serving = serving
        self._asked = False
        self.http: HttpServer | None = None

    def __call__(self) -> None:
        if not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._serving.cancel)
        if self.http is None:
            self._serving.cancel()
        else:
            self.http.stop()


async def _serve(settings: ServerSettings) -> None:
    serving = asyncio.current_task()
    if serving is None:
        raise RuntimeError("a server needs a task")
    stop = _Stop(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        async with running_server(settings) as server:
            with listening(settings.host, settings.port) as listener:
                http = stop.http = HttpServer(uvicorn_config(server.app, server.relay_keys), server.links.drain)
                database = server.store.url.partition("@")[2] or "sqlite"
                _log.info("listening", endpoint=server.deployment.endpoint, database=database, name=settings.name)
                async with beside(http, models_loading):
                    await http.serve(sockets=[listener])
    except asyncio.CancelledError:
        _log.warning("stopped before everything had ended")
    else:
        _log.info("stopped")


def run_server(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first. Raises ServerFailed."""
    configure_logging()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))
