from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest
from tests.support.http_server import answering
from tests.support.ports import free_port

from roadstead.cli.settings import Config, write_config
from roadstead.cli.status import status
from roadstead.engines.supervise import ChildRecord, State
from roadstead.engines.supervise.process import boot_id, identify
from roadstead.engines.supervise.record import Record, write_record
from roadstead.kernel.ids import directory_tag


class Server(BaseHTTPRequestHandler):
    """Answers whether the pool takes tasks."""

    status = 200
    document: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        body = json.dumps(self.document, separators=(",", ":")).encode()
        self.send_response(self.status if self.path == "/_roadstead/ready" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """The port of a server that says that the pool takes tasks."""
    Server.status, Server.document = 200, {"status": "ok", "instance": directory_tag(str(tmp_path))}
    with answering(Server) as port:
        yield port


def deployment(data: Path, state: State, port: int = 4577) -> None:
    us = identify(os.getpid())
    assert us is not None
    child = ChildRecord(
        name="server",
        state=state,
        since=datetime(2026, 1, 2, tzinfo=UTC),
        process=us,
        fingerprint="f",
        stop_signal=15,
        stop_timeout=10,
        last_exit=3,
        reason="because",
    )
    write_config(data, Config(listen=f"127.0.0.1:{port}", region="eu-west-1"))
    write_record(data, Record(boot_id=boot_id(), supervisor=us, children=(child,)))


def test_json_has_one_spelling(tmp_path: Path, server: int, capsys: pytest.CaptureFixture[str]):
    deployment(tmp_path, State.READY, server)
    status(data=tmp_path, json=True)
    assert json.loads(capsys.readouterr().out) == {
        "ready": True,
        "reason": "",
        "data": str(tmp_path),
        "endpoint": f"http://127.0.0.1:{server}",
        "account": "000000000000",
        "region": "eu-west-1",
        "fargateRuntime": "gvisor",
        "supervisor": os.getpid(),
        "processes": [
            {
                "name": "server",
                "state": "ready",
                "since": "2026-01-02T00:00:00Z",
                "pid": os.getpid(),
                "restarts": 0,
                "adopted": False,
                "lastExit": 3,
                "reason": "because",
            }
        ],
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_the_exit_status_says_whether_all_is_ready(tmp_path: Path, as_json: bool):
    deployment(tmp_path, State.BACKOFF)
    with pytest.raises(SystemExit) as caught:
        status(data=tmp_path, json=as_json)
    assert caught.value.code == 1


def test_a_pool_that_takes_no_tasks_is_not_ready(tmp_path: Path, server: int, capsys: pytest.CaptureFixture[str]):
    deployment(tmp_path, State.READY, server)
    Server.status, Server.document = 503, {**Server.document, "reason": "no agent is connected"}
    with pytest.raises(SystemExit):
        status(data=tmp_path)
    headline = capsys.readouterr().out.splitlines()[0]
    assert "not ready: HTTP/1.0 503" in headline
    assert headline.endswith('"reason":"no agent is connected"}')
    with pytest.raises(SystemExit):
        status(data=tmp_path, json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["ready"] is False
    assert "no agent is connected" in document["reason"]


def test_a_server_that_does_not_answer_is_not_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    deployment(tmp_path, State.READY, free_port())
    with pytest.raises(SystemExit):
        status(data=tmp_path, json=True)
    assert "Connect call failed" in json.loads(capsys.readouterr().out)["reason"]
