"""The trail between the event loop and its thread: what is kept, what is counted, and that nothing waits."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.support.waiting import reached

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.audit import trail as module
from roadstead.audit.metrics import AuditMetrics
from roadstead.audit.segments import segments
from roadstead.audit.settings import TrailSettings
from roadstead.audit.trail import ENDED, LEFT_OUT, LOST, STARTED, Trail
from roadstead.kernel.arn import Arn

ALICE = Arn("iam", "", "000000000000", "user/alice")
USER = Principal(PrincipalKind.USER, "000000000000", ALICE, ALICE, "AIDAALICE", "AKIAALICE")


def settings(folder: Path, **more: Any) -> TrailSettings:
    return TrailSettings(folder, "host/abc", "000000000000", "us-east-1", **more)


def record(trail: Trail, name: str = "RunTask", principal: Principal | None = USER, **more: Any) -> None:
    event: dict[str, Any] = {
        "source": "ecs",
        "name": name,
        "region": "eu-west-1",
        "principal": principal,
        "arn": str(principal.arn) if principal else "",
        "claimed_key": "",
        "source_ip": "127.0.0.1",
        "user_agent": "test",
        "request_id": "r-1",
        "read_only": False,
        "account": "000000000000",
    }
    trail.record(**(event | more))


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for each in segments(folder) for line in each.path.read_text().splitlines()]


def named(folder: Path, name: str) -> list[dict[str, Any]]:
    return [event for event in events(folder) if event["eventName"] == name]


async def test_an_event_has_cloudtrails_members_in_its_order(tmp_path: Path) -> None:
    async with Trail(settings(tmp_path)) as trail:
        record(trail, parameters={"cluster": "web"}, error_code="ClientException", error_message="no")
    event = named(tmp_path, "RunTask")[0]
    assert list(event) == [
        "eventVersion",
        "userIdentity",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "errorCode",
        "errorMessage",
        "requestParameters",
        "responseElements",
        "requestID",
        "eventID",
        "readOnly",
        "eventType",
        "managementEvent",
        "recipientAccountId",
        "eventCategory",
    ]
    assert event["userIdentity"] == {
        "type": "IAMUser",
        "principalId": "AIDAALICE",
        "arn": "arn:aws:iam::000000000000:user/alice",
        "accountId": "000000000000",
        "accessKeyId": "AKIAALICE",
        "userName": "alice",
    }
    assert (event["eventSource"], event["awsRegion"]) == ("ecs.amazonaws.com", "eu-west-1")
    assert event["requestParameters"] == {"cluster": "web"}
    assert event["responseElements"] is None


async def test_a_sessions_context(tmp_path: Path) -> None:
    session = Principal(
        PrincipalKind.ASSUMED_ROLE,
        "111111111111",
        Arn("sts", "", "111111111111", "assumed-role/deploy/s"),
        Arn("iam", "", "111111111111", "role/ci/deploy"),
        "AROADEPLOY:s",
        "ASIA1",
        source_identity="alice",
        federated_provider="arn:aws:iam::111111111111:oidc-provider/ci",
        issued_at=datetime(2026, 11, 25, 16, tzinfo=UTC),
        mfa_at=datetime(2026, 11, 25, 16, tzinfo=UTC),
    )
    async with Trail(settings(tmp_path)) as trail:
        record(trail, principal=session)
    identity = named(tmp_path, "RunTask")[0]["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["principalId"] == "AROADEPLOY:s"
    assert identity["sessionContext"]["sessionIssuer"] == {
        "type": "Role",
        "principalId": "AROADEPLOY",
        "arn": "arn:aws:iam::111111111111:role/ci/deploy",
        "accountId": "111111111111",
        "userName": "deploy",
    }
    assert identity["sessionContext"]["attributes"] == {
        "mfaAuthenticated": "true",
        "creationDate": "2026-11-25T16:00:00Z",
    }
    assert identity["sessionContext"]["sourceIdentity"] == "alice"
    assert identity["sessionContext"]["webIdFederationData"]["federatedProvider"].endswith("oidc-provider/ci")


async def test_web_identities_of_one_provider_are_told_apart(tmp_path: Path) -> None:
    """They have no key and one ARN, their provider's."""
    provider = Arn("iam", "", "111111111111", "oidc-provider/ci")
    async with Trail(settings(tmp_path)) as trail:
        for subject in ("main", "fork"):
            record(
                trail, principal=Principal(PrincipalKind.WEB_IDENTITY, "", provider, provider, f"ci:aud:{subject}", "")
            )
    found = [event["userIdentity"] for event in named(tmp_path, "RunTask")]
    assert [(each["type"], each["principalId"]) for each in found] == [
        ("WebIdentityUser", "ci:aud:main"),
        ("WebIdentityUser", "ci:aud:fork"),
    ]


async def test_event_ids_are_uuids_and_never_the_same(tmp_path: Path) -> None:
    for _ in range(2):
        async with Trail(settings(tmp_path)) as trail:
            for _ in range(100):
                record(trail)
    ids = [event["eventID"] for event in events(tmp_path)]
    assert len(set(ids)) == len(ids) == 204
    assert all(len(each) == 36 and each[14] == "4" and each[19] in "89ab" for each in ids)


async def test_what_is_written_is_there_while_the_server_runs(tmp_path: Path) -> None:
    async with Trail(settings(tmp_path)) as trail:
        record(trail)
        await reached(lambda: bool(named(tmp_path, "RunTask")))
        await reached(lambda: trail.waiting == 0)


async def test_start_and_end_say_whether_the_last_end_was_in_order(tmp_path: Path) -> None:
    async with Trail(settings(tmp_path)):
        pass
    async with Trail(settings(tmp_path)):
        pass
    last = segments(tmp_path)[-1].path
    last.write_bytes(last.read_bytes()[:-40])  # as a kill would leave it
    async with Trail(settings(tmp_path)):
        pass
    told = [event["serviceEventDetails"]["previousEnd"] for event in named(tmp_path, STARTED)]
    assert told == ["none", "in order", "unclean"]
    assert len(named(tmp_path, ENDED)) == 2


async def test_a_field_that_is_too_long_is_left_out_and_says_so(tmp_path: Path) -> None:
    async with Trail(settings(tmp_path)) as trail:
        record(
            trail, parameters={"text": "x" * 200_000}, user_agent="u" * 5000, error_code="E", error_message="m" * 5000
        )
    event = named(tmp_path, "RunTask")[0]
    assert event["requestParameters"]["omitted"] is True
    assert event["requestParameters"]["originalSize"] > 200_000
    assert len(event["userAgent"]) == len(event["errorMessage"]) == 1024


async def test_what_is_no_json_takes_no_other_event_along(tmp_path: Path) -> None:
    async with Trail(settings(tmp_path)) as trail:
        record(trail, parameters={"n": "\udc00"})
        record(trail, user_agent="\ud800")
        record(trail, name="StopTask")
    assert named(tmp_path, "RunTask")[0]["requestParameters"]["omitted"] is True
    assert len(named(tmp_path, "StopTask")) == 1
    assert trail.lost == 1


async def test_a_flood_of_nobodys_requests_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "time", lambda: 1000.0)
    async with Trail(settings(tmp_path)) as trail:
        for _ in range(1000):
            record(trail, name="Unsigned", principal=None, claimed_key="AKIAX")
        for _ in range(200):
            record(trail)
    assert len(named(tmp_path, "Unsigned")) == module.UNSIGNED_A_SECOND
    assert named(tmp_path, "Unsigned")[0]["userIdentity"]["accessKeyId"] == "AKIAX"
    assert len(named(tmp_path, "RunTask")) == 200
    told = sum(event["serviceEventDetails"]["requests"] for event in named(tmp_path, LEFT_OUT))
    assert told == trail.left_out == 900


async def test_while_nothing_can_be_written_events_wait_and_then_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is no folder: every attempt fails, no request does; afterwards the trail says how many it lacks."""
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 20_000)
    monkeypatch.setattr("roadstead.audit.writer.RETRY_SECONDS", 0.02)
    folder = tmp_path / "audit"
    registry = CollectorRegistry()
    async with Trail(settings(folder)) as trail:
        registry.register(AuditMetrics(trail))
        await written(trail)
        moved = folder.rename(tmp_path / "before")
        folder.write_text("in the way")
        for _ in range(200):
            record(trail)
        await reached(lambda: trail.failures > 0)
        assert trail.lost > 100
        text = generate_latest(registry).decode()
        assert f"roadstead_audit_events_lost_total {float(trail.lost)}" in text
        assert "roadstead_audit_write_failures_total 0.0" not in text
        folder.unlink()
        await written(trail)
        record(trail, name="StopTask")
    kept = len(named(folder, "RunTask")) + len(named(moved, "RunTask"))
    assert kept == 200 - trail.lost
    assert sum(event["serviceEventDetails"]["events"] for event in named(folder, LOST)) == trail.lost
    assert len(named(folder, "StopTask")) == 1


async def written(trail: Trail) -> None:
    await reached(lambda: not trail.waiting)


async def test_none_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    async with Trail(settings(tmp_path / "audit", kept_bytes=0)) as trail:
        record(trail)
    assert not (tmp_path / "audit").exists()
