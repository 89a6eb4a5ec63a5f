"""A whole deployment on PostgreSQL with a second server beside it, and real containers."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.deployment import PROGRAM, LiveDeployment, web_image
from tests.support.namespaces import PlayedHost, played_host
from tests.support.postgres import PostgresServer
from tests.support.waiting import until

pytestmark = [pytest.mark.system, pytest.mark.postgres]
PEER_PORT = 4567
FIRST_SECONDS = 60.0
"""The first pull and start. How promptly a task of either server gets to the agent is asked in test_agent."""


@dataclass
class Both:
    """The deployment through its own server `a` and through the second one `b`."""

    a: LiveDeployment
    b: LiveDeployment


@pytest.fixture
def both(postgres_server: PostgresServer) -> Generator[Both]:
    """The database is reached by its socket, because the played host has a network of its own."""
    name = postgres_server.create_database()
    url = f"postgresql://postgres@/{name}?host={postgres_server.directory}&port={postgres_server.port}"
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(played_host())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roadstead-test-"))).resolve()
        a = LiveDeployment(host, folder / "a", 4566, "runc")
        b = LiveDeployment(host, a.data, PEER_PORT, "runc")
        try:
            a.up("--database", url, "--peer", f"http://127.0.0.1:{PEER_PORT}")
            with second_server(host, folder / "b", url, a.data / "server"):
                yield Both(a, b)
        finally:
            a.down()
        assert a.leftovers() == []
    postgres_server.drop_database(name)


@contextlib.contextmanager
def second_server(host: PlayedHost, data: Path, database: str, state: Path) -> Generator[None]:
    options = ["--data", str(data), "--listen", f"127.0.0.1:{PEER_PORT}", "--database", database, "--state", str(state)]
    with data.with_suffix(".log").open("wb") as log:
        process = host.popen([*PROGRAM, "server", *options], stdout=log, stderr=log)
    try:
        until(lambda: healthy(host, PEER_PORT), "the second server is healthy")
        yield
    finally:
        process.terminate()
        process.wait(15)


def healthy(host: PlayedHost, port: int) -> bool:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_roadstead/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return host.call(ask)


def test_containers_and_their_agent_outlive_a_server(both: Both, tmp_path: Path):
    a, b = both.a, both.b
    image = a.push(web_image(tmp_path / "web"), "web", "web")
    a.define("web", image, a.role("exec"))
    first = b.run_task("web")
    task = b.wait_for(first, "RUNNING", FIRST_SECONDS)
    page = b.fetch(b.serving(first))
    supervisor = a.pid("supervisor")
    os.kill(supervisor, signal.SIGSTOP)  # or it would start the server again at once
    try:
        os.kill(a.pid("server"), signal.SIGKILL)
        second = b.run_task("web")
        assert b.fetch(b.serving(second)) == page
        assert b.task(first)["lastStatus"] == "RUNNING"
        assert b.fetch(b.address(task)) == page
        until(lambda: len(b.messages("/test/web")) > 1, "output of both is shipped to the second server")
        b.client("ecs").stop_task(task=first)
        ended = b.wait_for(first, "STOPPED", 90)
        assert ended["stopCode"] == "UserInitiated"
    finally:
        os.kill(supervisor, signal.SIGCONT)
    until(lambda: healthy(a.host, a.port), "the first server is back")
    assert a.client("ecs").list_tasks()["taskArns"] == [second]
    a.client("ecs").stop_task(task=second)
    a.wait_for(second, "STOPPED", 90)
