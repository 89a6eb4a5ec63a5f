"""A server's trail over its deaths, and beside another server's."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.server_process import ServerProcess, server_process
from tests.support.waiting import until

from roadstead.audit.segments import segments
from roadstead.audit.settings import FOLDER


def events(server: ServerProcess, name: str) -> list[Any]:
    lines = [line for each in segments(server.data / FOLDER) for line in each.path.read_bytes().splitlines()]
    return [event for line in lines if (event := json.loads(line))["eventName"] == name]


def test_a_kill_loses_no_event_that_was_written_and_is_told_of(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        server.start()
        sts = server.client("sts")
        ids = [sts.get_caller_identity()["ResponseMetadata"]["RequestId"] for _ in range(50)]
        until(lambda: len(events(server, "GetCallerIdentity")) == 50, "every event is in the file")
        server.kill()
        file = segments(server.data / FOLDER)[-1].path
        whole = file.read_bytes()
        file.write_bytes(whole + whole[:300])  # what a kill in the middle of a write leaves
        server.start()
        again = server.client("sts").get_caller_identity()["ResponseMetadata"]["RequestId"]
        assert server.stop() == 0
        assert [event["requestID"] for event in events(server, "GetCallerIdentity")] == [*ids, again]
        starts = [event["serviceEventDetails"]["previousEnd"] for event in events(server, "AuditTrailStarted")]
        assert starts == ["none", "unclean"]
        assert len(events(server, "AuditTrailEnded")) == 1


def test_an_end_in_order_writes_everything(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        server.start()
        last = server.client("sts").get_caller_identity()["ResponseMetadata"]["RequestId"]
        metrics = urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=5).read().decode()
        assert "roadstead_audit_events_total 2.0" in metrics
        assert "roadstead_audit_events_lost_total 0.0" in metrics
        assert server.stop() == 0
        assert [event["requestID"] for event in events(server, "GetCallerIdentity")] == [last]
