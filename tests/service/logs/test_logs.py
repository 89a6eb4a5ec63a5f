"""CloudWatch Logs as boto3 sees it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from sqlalchemy import Table, select
from tests.support.server import Account, refusal

from roadstead.services.logs import filtering
from roadstead.services.logs.api import expire_events, remove_leftovers
from roadstead.services.logs.tables import log_events, log_leftovers
from roadstead.store import Transaction

DAY_MS = 24 * 3600 * 1000


def now_ms() -> int:
    return int(time.time() * 1000)


def failure(call: Any, **parameters: Any) -> tuple[str, str]:
    refused = refusal(call, **parameters)
    return refused.code, refused.message


@pytest.fixture
def stream(admin: Account) -> dict[str, str]:
    names = {"logGroupName": "/app", "logStreamName": "web/1"}
    admin.logs.create_log_group(logGroupName="/app")
    admin.logs.create_log_stream(**names)
    return names


def put(admin: Account, stream: dict[str, str], messages: list[str], start: int | None = None) -> dict[str, Any]:
    first = start if start is not None else now_ms() - 60_000
    events = [{"timestamp": first + n, "message": message} for n, message in enumerate(messages)]
    return admin.logs.put_log_events(**stream, logEvents=events)


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_groups(admin: Account):
    for name in ("/b", "/a/1", "/a/2", "/a_3"):
        admin.logs.create_log_group(logGroupName=name)
    listed = admin.logs.describe_log_groups()["logGroups"]
    assert [group["logGroupName"] for group in listed] == sorted(["/b", "/a/1", "/a/2", "/a_3"])
    assert listed[0]["arn"] == f"arn:aws:logs:us-east-1:{admin.id}:log-group:/a/1:*"
    assert listed[0]["storedBytes"] == 0
    assert "retentionInDays" not in listed[0]

    def names(**options: Any) -> list[str]:
        return [group["logGroupName"] for group in admin.logs.describe_log_groups(**options)["logGroups"]]

    assert names(logGroupNamePrefix="/a/") == ["/a/1", "/a/2"]
    assert names(logGroupNamePrefix="/a_") == ["/a_3"]
    assert names(logGroupNamePattern="a/") == ["/a/1", "/a/2"]
    admin.logs.delete_log_group(logGroupName="/a/1")
    assert names(logGroupNamePrefix="/a/") == ["/a/2"]


def test_groups_by_their_identifiers(admin: Account):
    for name in ("/a", "/b", "/c"):
        admin.logs.create_log_group(logGroupName=name, logGroupClass="STANDARD", deletionProtectionEnabled=False)
    place = f"arn:aws:logs:us-east-1:{admin.id}:log-group:"

    def names(*identifiers: str, **options: Any) -> list[str]:
        found = admin.logs.describe_log_groups(logGroupIdentifiers=list(identifiers), **options)["logGroups"]
        return [group["logGroupName"] for group in found]

    assert names("/c", "/a", "/none") == ["/a", "/c"]
    assert names(f"{place}/b", "/c", includeLinkedAccounts=False) == ["/b", "/c"]
    describe, elsewhere = admin.logs.describe_log_groups, place.replace("us-east-1", "eu-west-1")
    for options in ({"logGroupNamePrefix": "/"}, {"logGroupNamePattern": "a"}, {"logGroupClass": "STANDARD"}):
        assert len(describe(**options)["logGroups"]) > 0
        assert failure(describe, logGroupIdentifiers=["/a"], **options)[0] == "InvalidParameterException"
    assert failure(describe, logGroupIdentifiers=[f"{elsewhere}/a"])[0] == "InvalidParameterException"
    token = describe(logGroupIdentifiers=["/a", "/b"], limit=1)["nextToken"]
    assert names("/a", "/b", nextToken=token) == ["/b"]
    assert failure(describe, logGroupIdentifiers=["/a", "/c"], nextToken=token)[0] == "InvalidParameterException"


def test_groups_come_in_pages_and_a_token_fits_its_request_only(admin: Account):
    for number in range(5):
        admin.logs.create_log_group(logGroupName=f"/g{number}")
    pages = admin.logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["logGroups"]) for page in pages] == [2, 2, 1]
    token = admin.logs.describe_log_groups(limit=2)["nextToken"]
    code, message = failure(admin.logs.describe_log_groups, limit=2, nextToken=token, logGroupNamePrefix="/g")
    assert (code, message) == ("InvalidParameterException", "The specified nextToken is invalid.")
    other = Account(admin.server, admin.server.new_account())
    assert failure(other.logs.describe_log_groups, limit=2, nextToken=token)[0] == "InvalidParameterException"


def test_accounts_and_regions_are_apart(admin: Account, stream: dict[str, str]):
    other = Account(admin.server, admin.server.new_account())
    assert other.logs.describe_log_groups()["logGroups"] == []
    assert failure(other.logs.describe_log_streams, logGroupName="/app")[0] == "ResourceNotFoundException"
    elsewhere = admin.server.client("logs", admin.keys, region="eu-central-1")
    assert elsewhere.describe_log_groups()["logGroups"] == []


def test_what_is_there_already(admin: Account, stream: dict[str, str]):
    exists = "ResourceAlreadyExistsException"
    assert failure(admin.logs.create_log_group, logGroupName="/app") == (
        exists,
        "The specified log group already exists",
    )
    assert failure(admin.logs.create_log_stream, **stream) == (exists, "The specified log stream already exists")


def test_what_is_not_there(admin: Account, stream: dict[str, str]):
    logs = admin.logs
    group = ("ResourceNotFoundException", "The specified log group does not exist.")
    for call in (
        logs.delete_log_group,
        logs.describe_log_streams,
        logs.filter_log_events,
        logs.delete_retention_policy,
    ):
        assert failure(call, logGroupName="/none") == group
    missing = {"logGroupName": "/app", "logStreamName": "none"}
    for call in (logs.get_log_events, logs.delete_log_stream):
        assert failure(call, **missing) == ("ResourceNotFoundException", "The specified log stream does not exist.")
    events = [{"timestamp": now_ms(), "message": "x"}]
    assert failure(logs.put_log_events, **missing, logEvents=events)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("name", ["a b", "x" * 513, "a*"])
def test_names_that_are_not_valid(sqlite_admin: Account, name: str):
    with pytest.raises((ClientError, ParamValidationError), match="logGroupName"):
        sqlite_admin.logs.create_log_group(logGroupName=name)


def test_streams(admin: Account, stream: dict[str, str]):
    admin.logs.create_log_stream(logGroupName="/app", logStreamName="web/2")
    admin.logs.create_log_stream(logGroupName="/app", logStreamName="job")
    put(admin, stream, ["hello"])

    def names(**options: Any) -> list[str]:
        found = admin.logs.describe_log_streams(logGroupName="/app", **options)["logStreams"]
        return [each["logStreamName"] for each in found]

    assert names() == ["job", "web/1", "web/2"]
    assert names(logStreamNamePrefix="web/") == ["web/1", "web/2"]
    assert names(orderBy="LastEventTime", descending=True)[0] == "web/1"
    pages = admin.logs.get_paginator("describe_log_streams").paginate(
        logGroupName="/app", orderBy="LastEventTime", PaginationConfig={"PageSize": 1}
    )
    assert [page["logStreams"][0]["logStreamName"] for page in pages] == ["job", "web/2", "web/1"]
    admin.logs.delete_log_stream(**stream)
    assert names() == ["job", "web/2"]
    assert messages(admin.logs.filter_log_events(logGroupName="/app")) == []


def test_events_are_read_from_both_ends(admin: Account, stream: dict[str, str]):
    put(admin, stream, [f"m{n}" for n in range(10)])
    assert messages(admin.logs.get_log_events(**stream, startFromHead=True)) == [f"m{n}" for n in range(10)]
    tail = admin.logs.get_log_events(**stream, limit=3)
    assert messages(tail) == ["m7", "m8", "m9"]
    before = admin.logs.get_log_events(**stream, limit=3, nextToken=tail["nextBackwardToken"])
    assert messages(before) == ["m4", "m5", "m6"]
    after = admin.logs.get_log_events(**stream, limit=3, nextToken=before["nextForwardToken"])
    assert messages(after) == ["m7", "m8", "m9"]


def test_following_a_stream(admin: Account, stream: dict[str, str]):
    put(admin, stream, ["one"])
    page = admin.logs.get_log_events(**stream, startFromHead=True)
    again = admin.logs.get_log_events(**stream, startFromHead=True, nextToken=page["nextForwardToken"])
    assert (messages(again), again["nextForwardToken"]) == ([], page["nextForwardToken"])
    put(admin, stream, ["two"], start=now_ms())
    assert messages(admin.logs.get_log_events(**stream, nextToken=again["nextForwardToken"])) == ["two"]


def test_an_empty_stream_can_be_followed_too(admin: Account, stream: dict[str, str]):
    page = admin.logs.get_log_events(**stream, startFromHead=True)
    put(admin, stream, ["one"])
    assert messages(admin.logs.get_log_events(**stream, nextToken=page["nextForwardToken"])) == ["one"]


def test_events_of_a_time(admin: Account, stream: dict[str, str]):
    """As AWS has it, an event at `endTime` itself is outside for GetLogEvents and inside for FilterLogEvents."""
    start = now_ms() - 60_000
    put(admin, stream, ["a", "b", "c", "d"], start=start)
    window = {"startTime": start + 1, "endTime": start + 3}
    assert messages(admin.logs.get_log_events(**stream, **window)) == ["b", "c"]
    assert messages(admin.logs.filter_log_events(logGroupName="/app", **window)) == ["b", "c", "d"]


@pytest.mark.parametrize("token", ["x", "f/1", "f/1/2/3", "f/99999999999999999999/1"])
def test_tokens_that_were_not_given_out(admin: Account, stream: dict[str, str], token: str):
    expected = ("InvalidParameterException", "The specified nextToken is invalid.")
    assert failure(admin.logs.get_log_events, **stream, nextToken=token) == expected


def test_events_too_old_and_too_new_are_named(admin: Account, stream: dict[str, str]):
    now = now_ms()
    old = put(admin, stream, ["old"], start=now - 15 * DAY_MS)
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    new = admin.logs.put_log_events(
        **stream,
        logEvents=[{"timestamp": now, "message": "now"}, {"timestamp": now + 3 * 3600 * 1000, "message": "later"}],
    )
    assert new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    assert messages(admin.logs.get_log_events(**stream)) == ["now"]


def test_an_entity_is_rejected_and_its_events_are_not(admin: Account, stream: dict[str, str]):
    entity = {"keyAttributes": {"Type": "Service", "Name": "web", "Environment": "test"}}
    events = [{"timestamp": now_ms(), "message": "kept"}]
    answer = admin.logs.put_log_events(**stream, logEvents=events, entity=entity)
    assert answer["rejectedEntityInfo"] == {"errorType": "UnsupportedLogGroupType"}
    assert messages(admin.logs.get_log_events(**stream)) == ["kept"]
    assert "rejectedEntityInfo" not in admin.logs.put_log_events(**stream, logEvents=events)


def test_batches_that_are_refused_whole(admin: Account, stream: dict[str, str]):
    now = now_ms()

    def refused(*events: tuple[int, str]) -> str:
        batch = [{"timestamp": time_, "message": message} for time_, message in events]
        code, message = failure(admin.logs.put_log_events, **stream, logEvents=batch)
        assert code == "InvalidParameterException"
        return message

    assert "chronological" in refused((now, "b"), (now - 1, "a"))
    assert "24 hours" in refused((now - 2 * DAY_MS, "a"), (now, "b"))
    assert "exceeds limit of 1048576" in refused(*((now, "x" * 262_000) for _ in range(5)))
    assert messages(admin.logs.get_log_events(**stream)) == []


def test_texts_come_back_as_they_went_in(admin: Account, stream: dict[str, str]):
    texts = ["grüße 🚢", "tab\tand\nline", '{"a": "\\u0000"}', " spaces ", "x" * 200_000]
    put(admin, stream, texts)
    assert messages(admin.logs.get_log_events(**stream, startFromHead=True)) == texts


def test_a_character_that_postgresql_does_not_keep_is_replaced(admin: Account, stream: dict[str, str]):
    put(admin, stream, ["a\0b"])
    assert messages(admin.logs.get_log_events(**stream)) == ["a\ufffdb"]


def test_filtering(admin: Account, stream: dict[str, str]):
    other = {"logGroupName": "/app", "logStreamName": "job"}
    admin.logs.create_log_stream(**other)
    start = now_ms() - 60_000
    put(admin, stream, ["ERROR one", "INFO two", "WARN three"], start=start)
    put(admin, other, ["ERROR four fatal"], start=start + 1)

    def found(**options: Any) -> list[str]:
        return messages(admin.logs.filter_log_events(logGroupName="/app", **options))

    assert found() == ["ERROR one", "INFO two", "ERROR four fatal", "WARN three"]
    assert found(filterPattern="ERROR") == ["ERROR one", "ERROR four fatal"]
    assert found(filterPattern="ERROR -fatal") == ["ERROR one"]
    assert found(filterPattern="?INFO ?WARN") == ["INFO two", "WARN three"]
    assert found(filterPattern='"four fatal"') == ["ERROR four fatal"]
    assert found(filterPattern="ERROR", logStreamNames=["job"]) == ["ERROR four fatal"]
    assert found(logStreamNamePrefix="web") == ["ERROR one", "INFO two", "WARN three"]
    assert failure(admin.logs.filter_log_events, logGroupName="/app", filterPattern="{ $.a = 1 }")[0] == (
        "InvalidParameterException"
    )


def test_filtered_events_come_in_pages(admin: Account, stream: dict[str, str]):
    put(admin, stream, [f"{'hit' if n % 2 else 'miss'} {n}" for n in range(20)])
    pages = admin.logs.get_paginator("filter_log_events").paginate(
        logGroupName="/app", filterPattern="hit", PaginationConfig={"PageSize": 4}
    )
    assert [len(page["events"]) for page in pages] == [4, 4, 2]


def test_retention(admin: Account, stream: dict[str, str]):
    admin.logs.put_retention_policy(logGroupName="/app", retentionInDays=3)
    assert admin.logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 3
    expired = put(admin, stream, ["expired"], start=now_ms() - 4 * DAY_MS)
    assert expired["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    put(admin, stream, ["kept"])
    later = datetime.now(UTC) + timedelta(days=2)
    assert admin.server.run(lambda tx: expire_events(tx, later)) == 0
    assert messages(admin.logs.get_log_events(**stream)) == ["kept"]
    assert admin.server.run(lambda tx: expire_events(tx, later + timedelta(days=2))) == 1
    assert messages(admin.logs.get_log_events(**stream)) == []
    admin.logs.delete_retention_policy(logGroupName="/app")
    assert "retentionInDays" not in admin.logs.describe_log_groups()["logGroups"][0]
    code, message = failure(admin.logs.put_retention_policy, logGroupName="/app", retentionInDays=2)
    assert code == "InvalidParameterException"
    assert "enum value set" in message


def test_stored_bytes_count_26_for_each_event(admin: Account, stream: dict[str, str]):
    put(admin, stream, ["abc", "ü"])
    assert admin.logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 3 + 2 + 2 * 26


def test_what_expires_is_not_counted_any_more(admin: Account, stream: dict[str, str]):
    admin.logs.put_retention_policy(logGroupName="/app", retentionInDays=1)
    first = now_ms() - 60_000
    put(admin, stream, ["one", "two", "three"], start=first)
    at = datetime.fromtimestamp((first + DAY_MS + 2) / 1000, UTC)
    assert [admin.server.run(lambda tx: expire_events(tx, at, most=1)) for _ in range(3)] == [1, 1, 0]
    assert messages(admin.logs.get_log_events(**stream)) == ["three"]
    assert admin.logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 5 + 26
    (left,) = admin.logs.describe_log_streams(logGroupName="/app")["logStreams"]
    assert (left["firstEventTimestamp"], left["lastEventTimestamp"]) == (first + 2, first + 2)
    assert admin.server.run(lambda tx: expire_events(tx, at + timedelta(days=1))) == 1
    (empty,) = admin.logs.describe_log_streams(logGroupName="/app")["logStreams"]
    assert "firstEventTimestamp" not in empty
    assert admin.logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 0


@pytest.mark.parametrize("what", ["group", "stream"])
def test_what_is_deleted_is_gone_at_once_and_its_events_go_by_and_by(admin: Account, stream: dict[str, str], what: str):
    put(admin, stream, ["deleted 1", "deleted 2", "deleted 3"])
    if what == "group":
        admin.logs.delete_log_group(logGroupName="/app")
        admin.logs.create_log_group(logGroupName="/app")
    else:
        admin.logs.delete_log_stream(**stream)
    admin.logs.create_log_stream(**stream)
    put(admin, stream, ["new"])
    for _ in range(2):
        assert messages(admin.logs.get_log_events(**stream)) == ["new"]
        assert messages(admin.logs.filter_log_events(logGroupName="/app")) == ["new"]
        assert admin.logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 3 + 26
        while admin.server.run(lambda tx: remove_leftovers(tx, most=2)):
            pass
    left = admin.server.run(lambda tx: _rows(tx, log_events))
    assert [row.message for row in left if row.message.startswith("deleted ")] == []
    assert admin.server.run(lambda tx: _rows(tx, log_leftovers)) == []


async def _rows(tx: Transaction, table: Table) -> list[Any]:
    return list((await tx.execute(select(table))).all())


def test_pages_of_large_events_hold_a_mebibyte_at_most(admin: Account, stream: dict[str, str]):
    size, first = 250_000, now_ms() - 60_000
    for batch in range(4):
        put(admin, stream, [f"{batch}{n} {'x' * size}" for n in range(4)], start=first + batch * 4)
    every = [f"{batch}{n}" for batch in range(4) for n in range(4)]

    def begins(answer: dict[str, Any]) -> list[str]:
        assert sum(len(message) + 26 for message in messages(answer)) <= 1 << 20
        return [message.partition(" ")[0] for message in messages(answer)]

    seen: list[str] = []
    answer = admin.logs.get_log_events(**stream, startFromHead=True)
    while answer["events"]:
        seen += begins(answer)
        answer = admin.logs.get_log_events(**stream, nextToken=answer["nextForwardToken"])
    assert seen == every
    assert begins(admin.logs.get_log_events(**stream)) == every[-4:]
    pages = admin.logs.get_paginator("filter_log_events").paginate(logGroupName="/app")
    assert [begin for page in pages for begin in begins(page)] == every


def test_a_search_ends_where_it_has_looked_at_enough(
    admin: Account, stream: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(filtering, "_READ_BYTES", 3 * 30)
    monkeypatch.setattr(filtering, "_SCANNED_BYTES", 5 * 30)
    put(admin, stream, [f"{'hit' if n in (1, 8, 19) else 'not'}{n}" for n in range(20)])
    pages = list(admin.logs.get_paginator("filter_log_events").paginate(logGroupName="/app", filterPattern="hit"))
    assert [message for page in pages for message in messages(page)] == ["hit1", "hit8", "hit19"]
    assert len(pages) > 2


def test_an_arn_names_no_group_of_another_place(admin: Account, stream: dict[str, str]):
    put(admin, stream, ["here"])
    here = f"arn:aws:logs:us-east-1:{admin.id}:log-group:/app"
    for identifier in (here, "/app"):
        found = admin.logs.get_log_events(logGroupIdentifier=identifier, logStreamName="web/1", startFromHead=True)
        assert messages(found) == ["here"]
    refusals = {
        f"arn:aws:logs:eu-west-1:{admin.id}:log-group:/app": "ResourceNotFoundException",
        f"arn:aws:ecs:us-east-1:{admin.id}:/app": "ResourceNotFoundException",
        "arn:aws:logs:us-east-1:999999999990:log-group:/app": "AccessDeniedException",
    }
    for identifier, expected in refusals.items():
        for call, more in (
            (admin.logs.get_log_events, {"logStreamName": "web/1"}),
            (admin.logs.filter_log_events, {}),
            (admin.logs.describe_log_streams, {}),
        ):
            code, _ = failure(call, logGroupIdentifier=identifier, **more)
            assert code == expected
