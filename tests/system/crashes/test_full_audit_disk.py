"""The disk of the audit trail is full: requests go on, nothing is lost in silence, and the trail goes on once there is space."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server_process import ServerProcess, server_process
from tests.support.waiting import until

from roadstead.audit.event import MAX_FIELD_BYTES
from roadstead.audit.segments import segments
from roadstead.audit.settings import FOLDER
from roadstead.audit.trail import LOST, MAX_WAITING_BYTES

MIB = 1024 * 1024
LONG = ["c" * 250] * 350
"""Names that make one event as long as an event may be, nearly."""


@pytest.fixture
def server(tmp_path: Path) -> Generator[ServerProcess]:
    """A server whose trail, and nothing else, is on a file system of 32 MiB."""
    folder = tmp_path / "data" / FOLDER
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=0700", "none", folder], check=True)
    try:
        with server_process(tmp_path / "data") as process:
            process.start()
            yield process
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(server: ServerProcess) -> Path:
    """Take all the space there is."""
    filler = server.data / FOLDER / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), bytes(size))
    return filler


def metric(server: ServerProcess, name: str) -> float:
    text = urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=5).read().decode()
    found = re.search(rf"^roadstead_audit_{name} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


def events(server: ServerProcess) -> list[Any]:
    """What is in the files: whole lines. A full disk may leave a part of one at the end, which is cut off before more is written."""
    texts = [each.path.read_bytes().rpartition(b"\n")[0] for each in segments(server.data / FOLDER)]
    lines = [line for text in texts for line in text.splitlines()]
    return [json.loads(line) for line in lines]


def ids(server: ServerProcess) -> list[str]:
    """The requests that the trail tells of, in its order."""
    return [event["requestID"] for event in events(server) if event.get("requestID")]


def asked(client: Any, call: str, **parameters: Any) -> str:
    """The id of a request that was answered, whatever the answer."""
    try:
        answer = getattr(client, call)(**parameters)
    except ClientError as error:
        answer = error.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] < 500, answer
    return str(answer["ResponseMetadata"]["RequestId"])


def test_requests_go_on_and_every_event_is_written_later(server: ServerProcess) -> None:
    sts, iam, ecs = (server.client(name) for name in ("sts", "iam", "ecs"))
    made = [asked(sts, "get_caller_identity")]
    until(lambda: ids(server) == made, "the trail before")
    filler = fill(server)
    made += [asked(ecs, "create_cluster", clusterName="web")]
    for number in range(50):
        made += [asked(iam, "create_user", UserName=f"u{number}"), asked(ecs, "describe_clusters", clusters=["web"])]
    until(lambda: metric(server, "write_failures_total"), "a write that failed: the file's last block has an end")
    assert iam.get_user(UserName="u49")["User"]["UserName"] == "u49"
    made += [asked(ecs, "describe_clusters", clusters=["c" * 300])]
    assert metric(server, "waiting_bytes") > 0
    assert set(ids(server)) < set(made)
    assert server.lines("audit events can't be written")
    assert server.status("health") == 200
    filler.unlink()
    until(lambda: set(made) <= set(ids(server)), "the trail with space again")
    told = [each for each in ids(server) if each in set(made)]
    assert told == made, "in their order, each once"
    assert metric(server, "events_lost_total") == 0
    assert not [event for event in events(server) if event["eventName"] == LOST]
    assert server.lines("audit events can be written again")
    last = asked(sts, "get_caller_identity")
    until(lambda: ids(server)[-1] == last, "the trail goes on")
    assert server.stop() == 0
    assert all(each.path.read_bytes().endswith(b"\n") for each in segments(server.data / FOLDER)), "no half lines"


def test_what_is_lost_is_counted_in_the_trail_itself(server: ServerProcess) -> None:
    ecs = server.client("ecs")
    filler = fill(server)
    made: list[str] = []
    while not metric(server, "events_lost_total"):
        made += [asked(ecs, "describe_clusters", clusters=LONG) for _ in range(10)]
        assert len(made) < 4 * MAX_WAITING_BYTES / 60_000, "nothing is bounded"
    made += [asked(ecs, "describe_clusters", clusters=LONG) for _ in range(5)]
    waiting = metric(server, "waiting_bytes")
    assert waiting < MAX_WAITING_BYTES + 2 * MAX_FIELD_BYTES, "the last one that found room may reach beyond it"
    filler.unlink()
    until(lambda: not metric(server, "waiting_bytes"), "everything that waited is written")
    last = asked(ecs, "list_clusters")
    until(lambda: last in ids(server), "the trail goes on")
    lost = metric(server, "events_lost_total")
    found = events(server)
    assert sum(event["serviceEventDetails"]["events"] for event in found if event["eventName"] == LOST) == lost
    known = set(ids(server))
    assert len([each for each in made if each not in known]) == lost, "as many as it says, and no more"
    assert [each for each in ids(server) if each in set(made)] == [each for each in made if each in known]
    assert server.stop() == 0
