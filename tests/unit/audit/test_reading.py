"""Reading a trail's files: the last that fit, one by its request, and what is written while somebody looks."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from roadstead.audit.reading import Wanted, event_of_request, followed, last_events
from roadstead.audit.segments import SegmentFiles


def line(number: int, **more: Any) -> bytes:
    event = {
        "eventTime": f"2026-11-25T16:00:{number % 60:02}Z",
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "awsRegion": "us-east-1",
        "userIdentity": {"type": "User", "arn": "arn:aws:iam::000000000000:user/alice", "userName": "alice"},
        "requestID": f"r-{number}",
        "recipientAccountId": "000000000000",
        "readOnly": False,
        **more,
    }
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def numbers(lines: list[bytes]) -> list[int]:
    return [int(json.loads(each)["requestID"].removeprefix("r-")) for each in lines]


def written(folder: Path, count: int, segment: int = 1000) -> SegmentFiles:
    trail = SegmentFiles(folder, segment_bytes=segment, kept_bytes=10**9)
    for number in range(count):
        trail.append(line(number))
    return trail


def test_the_last_events_come_from_several_files(tmp_path: Path) -> None:
    written(tmp_path, 30)
    found, _ = last_events(tmp_path, Wanted(), 10)
    assert numbers(found) == list(range(20, 30))
    assert numbers(last_events(tmp_path, Wanted(), 1000)[0]) == list(range(30))


def test_half_a_line_and_what_is_no_event_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "events.000001.jsonl").write_bytes(line(1) + b"not json\n" + line(2) + b'{"half')
    found, position = last_events(tmp_path, Wanted(), 10)
    assert numbers(found) == [1, 2]
    with (tmp_path / "events.000001.jsonl").open("r+b") as file:
        file.truncate(len(line(1) + b"not json\n" + line(2)))
        file.seek(0, 2)
        file.write(line(3))
    assert numbers(position.more()) == [3]


def test_following_goes_on_in_the_next_files(tmp_path: Path) -> None:
    trail = written(tmp_path, 3)
    _, position = last_events(tmp_path, Wanted(), 1)
    rounds = iter([range(3, 5), range(5, 30), range(30, 31)])

    def pause() -> None:
        for number in next(rounds):
            trail.append(line(number))

    seen = list(itertools.islice(followed(position, pause), 28))
    assert numbers(seen) == list(range(3, 31))


def test_a_trail_that_begins_is_followed_from_its_first_event(tmp_path: Path) -> None:
    _, position = last_events(tmp_path / "none", Wanted(), 1)
    written(tmp_path / "none", 2)
    assert numbers(position.more()) == [0, 1]
    assert position.more() == []


def test_the_event_of_a_request(tmp_path: Path) -> None:
    written(tmp_path, 30)
    found = event_of_request(tmp_path, "r-7")
    assert found is not None
    assert found + b"\n" == line(7)
    assert event_of_request(tmp_path, "r-") is None
    assert event_of_request(tmp_path, '"') is None


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(event="runtask"), True),
        (Wanted(event="ecs:*"), True),
        (Wanted(event="StopTask"), False),
        (Wanted(principal="alice"), True),
        (Wanted(principal="*:user/alice"), True),
        (Wanted(principal="bob"), False),
        (Wanted(account="000000000000", region="us-east-1"), True),
        (Wanted(account="1*"), False),
        (Wanted(error="*"), False),
        (Wanted(denied=True), False),
        (Wanted(changes=True), True),
        (Wanted(since="2026-11-25T16:00:30Z"), False),
        (Wanted(resource="*:cluster/web"), False),
    ],
)
def test_what_is_wanted(tmp_path: Path, wanted: Wanted, fits: bool) -> None:
    (tmp_path / "events.000001.jsonl").write_bytes(line(1))
    assert len(last_events(tmp_path, wanted, 10)[0]) == fits


def test_errors_denials_and_resources(tmp_path: Path) -> None:
    denied = {"authorization": [{"action": "ecs:RunTask", "resource": "arn:x", "decision": "implicitDeny"}]}
    resources = [{"ARN": "arn:aws:ecs:us-east-1:000000000000:cluster/web"}]
    more = {"errorCode": "AccessDeniedException", "additionalEventData": denied, "resources": resources}
    (tmp_path / "events.000001.jsonl").write_bytes(line(1, **more) + line(2, readOnly=True))
    for wanted in (Wanted(error="AccessDenied*"), Wanted(denied=True), Wanted(resource="*:cluster/web")):
        assert numbers(last_events(tmp_path, wanted, 10)[0]) == [1]
    assert numbers(last_events(tmp_path, Wanted(changes=True), 10)[0]) == [1]
