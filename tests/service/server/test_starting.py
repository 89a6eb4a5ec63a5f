"""A server that can't run says why, and ends with a status that tells whether trying again helps."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.postgres import PostgresServer
from tests.support.server_process import ServerProcess, server_process
from tests.support.waiting import until

MISCONFIGURED = 78
UNAVAILABLE = 69


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path / "data") as server:
        yield server


def fails(server: ServerProcess, seconds: float = 40) -> tuple[int, str]:
    """How a server that is started now ends, and the last line it says."""
    before = len(server.log.read_text()) if server.log.exists() else 0
    server.spawn()
    status = server.exit_status(seconds)
    return status, server.log.read_text()[before:]


def test_a_newer_database_is_refused(server: ServerProcess):
    server.start()
    server.stop()
    database = sqlite3.connect(server.data / "server" / "roadstead.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    status, text = fails(server)
    assert status == MISCONFIGURED
    assert "9999" in text
    assert "newer" in text
    assert "Traceback" not in text


def test_another_master_key_is_refused(server: ServerProcess):
    server.start()
    server.stop()
    key = server.data / "server" / "master.key"
    key.write_bytes(secrets.token_bytes(32))
    status, text = fails(server)
    assert status == MISCONFIGURED
    assert "master key does not fit" in text
    assert "Traceback" not in text


def test_a_missing_master_key_is_not_made_anew(server: ServerProcess):
    server.start()
    server.stop()
    key = server.data / "server" / "master.key"
    key.unlink()
    status, text = fails(server)
    assert status == MISCONFIGURED
    assert "master.key is missing" in text
    assert not key.exists()


def test_a_readable_master_key_is_refused(server: ServerProcess):
    server.start()
    server.stop()
    (server.data / "server" / "master.key").chmod(0o644)
    status, text = fails(server)
    assert status == MISCONFIGURED
    assert "chmod 600" in text


def test_a_taken_port_is_named(server: ServerProcess):
    with socket.create_server(("127.0.0.1", server.port)):
        status, text = fails(server)
    assert status == UNAVAILABLE
    assert f"can't listen on 127.0.0.1:{server.port}" in text
    assert "Traceback" not in text


def test_a_database_that_is_away_is_waited_for_and_then_named(tmp_path: Path):
    with server_process(tmp_path / "data", database="postgresql://nobody@127.0.0.1:1/none") as server:
        status, text = fails(server)
        assert status == UNAVAILABLE
        assert "no database: PostgreSQL does not answer" in text
        assert "Traceback" not in text
        assert len(server.lines("the database is away")) > 5


def test_several_servers_need_a_database_that_they_can_share(tmp_path: Path):
    with server_process(tmp_path / "data", state=tmp_path / "state") as server:
        status, text = fails(server)
        assert status == 1
        assert "--database" in text


def test_a_server_that_is_told_to_stop_while_it_waits_stops(tmp_path: Path):
    with server_process(tmp_path / "data", database="postgresql://nobody@127.0.0.1:1/none") as server:
        server.spawn()
        until(lambda: server.log.exists() and server.lines("the database is away"), "waiting", 60)
        assert server.stop() == 0


@pytest.mark.postgres
def test_a_database_that_goes_away_is_503_until_it_is_back(postgres_server: PostgresServer, tmp_path: Path):
    name = postgres_server.create_database()
    with server_process(tmp_path / "data", database=postgres_server.url(name)) as server:
        server.start()
        ecs = server.client("ecs")
        ecs.create_cluster(clusterName="before")
        postgres_server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            postgres_server.sql(cut)
            until(lambda: server.status("health") == 503, "unhealthy")
            answers = [refused(ecs, number) for number in range(5)]
            assert answers == [503] * 5
            assert server.status("ready") == 503
        finally:
            postgres_server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        until(lambda: server.status("health") == 200, "healthy again")
        assert "before" in str(ecs.list_clusters()["clusterArns"])
        ecs.create_cluster(clusterName="after")
        assert server.stop() == 0
    postgres_server.drop_database(name)


def refused(ecs: Any, number: int) -> int:
    call = (lambda: ecs.create_cluster(clusterName="c")) if number % 2 else (lambda: ecs.list_clusters())
    with pytest.raises(ClientError) as caught:
        call()
    return int(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(server: ServerProcess, number: signal.Signals):
    server.start()
    os.kill(server.pid, number)
    assert server.exit_status(10) == 0
    assert server.lines("stopped")
    database = sqlite3.connect(server.data / "server" / "roadstead.db")
    held = database.execute("SELECT name FROM leases WHERE owner != ''").fetchall()
    database.close()
    assert held == [], "leases are released"
    assert not (server.data / "server" / "roadstead.db-wal").exists(), "the database is closed"


def test_a_request_under_way_is_finished(server: ServerProcess):
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n")
        slow.sendall(b"{")
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: server.status("health") is None, "no new connections")
        slow.sendall(b"}")
        answer = slow.recv(65536)
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"connection: close" in answer.lower()
    assert server.exit_status(10) == 0


def test_a_client_that_never_ends_does_not_hold_it_up(server: ServerProcess):
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{")
        os.kill(server.pid, signal.SIGTERM)
        assert server.exit_status(10) == 0
