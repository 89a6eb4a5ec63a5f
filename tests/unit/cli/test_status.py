from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roadstead.cli.settings import Config, write_config
from roadstead.cli.status import status
from roadstead.engines.supervise import ChildRecord, State
from roadstead.engines.supervise.process import boot_id, identify
from roadstead.engines.supervise.record import Record, write_record


def deployment(data: Path, state: State) -> None:
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
    write_config(data, Config(listen="127.0.0.1:4577", region="eu-west-1"))
    write_record(data, Record(boot_id=boot_id(), supervisor=us, children=(child,)))


def test_json_has_one_spelling(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    deployment(tmp_path, State.READY)
    status(data=tmp_path, json=True)
    assert json.loads(capsys.readouterr().out) == {
        "ready": True,
        "data": str(tmp_path),
        "endpoint": "http://127.0.0.1:4577",
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
