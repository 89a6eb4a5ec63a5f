"""The agent's health with an agent's control socket and a server's answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest
from tests.support.http_server import answering

from roadstead.agent.control import control_socket
from roadstead.cli import agent_health
from roadstead.cli.agent_health import AgentHealth
from roadstead.cli.settings import Config
from roadstead.engines.supervise import NotReady
from roadstead.kernel.ids import directory_tag


class Server(BaseHTTPRequestHandler):
    """Answers as `passing` says: with the paths that are well."""

    passing: ClassVar[set[str]] = set()
    body = b""

    def do_GET(self) -> None:
        self.send_response(200 if self.path.rpartition("/")[2] in self.passing else 503)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a server of the deployment."""
    Server.passing, Server.body = set(), f'{{"instance":"{directory_tag(str(tmp_path))}"}}'.encode()
    with answering(Server) as found:
        yield found


async def _nothing() -> None:
    """Drain nothing."""


@pytest.fixture
async def health(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AgentHealth]:
    """Of an agent that says that it is healthy, and may not be alone for any time."""
    socket = tmp_path / "agent.sock"
    monkeypatch.setattr(agent_health, "agent_socket", lambda _: socket)
    monkeypatch.setattr(agent_health, "ALONE_SECONDS", 0.0)
    monkeypatch.setattr(agent_health, "_SERVER_SECONDS", 30.0)
    async with control_socket(socket, _nothing):
        yield AgentHealth(tmp_path, Config(listen=f"127.0.0.1:{port}"))


async def _twice(health: AgentHealth) -> bool:
    """Ask at two times."""
    first = await health()
    await asyncio.sleep(0.01)
    return first and await health()


@pytest.mark.parametrize("passing", [set[str](), {"health", "ready"}])
async def test_a_linked_agent_is_well_and_so_is_one_whose_server_has_no_database(
    health: AgentHealth, passing: set[str]
) -> None:
    Server.passing = passing
    assert await _twice(health)


async def test_one_that_has_no_link_to_a_server_that_answers_is_not(health: AgentHealth) -> None:
    Server.passing = {"health"}
    with pytest.raises(NotReady, match=r"no link for 0 s to a server that answers"):
        await _twice(health)


@pytest.mark.parametrize("between", [set[str](), {"health", "ready"}])
async def test_the_time_alone_begins_anew_after_a_link_and_after_an_absence(
    health: AgentHealth, between: set[str]
) -> None:
    for passing in ({"health"}, between, {"health"}):
        Server.passing = passing
        assert await health()
        await asyncio.sleep(0.01)
