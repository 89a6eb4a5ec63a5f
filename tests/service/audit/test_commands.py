"""`roadstead audit` and `roadstead why` on a server's own files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.service.audit.told import answered, event_of
from tests.support.printed import printed
from tests.support.server import Account

from roadstead.cli.audit import audit, why
from roadstead.cli.failure import CommandFailed


def denied(account: Account) -> str:
    """The request of bob, whose own policy lets him work in Ireland only, and must not delete any cluster."""
    allow = {
        "Sid": "Ireland",
        "Effect": "Allow",
        "Action": "ecs:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    }
    deny = {"Sid": "Never", "Effect": "Deny", "Action": "ecs:DeleteCluster", "Resource": "*"}
    account.ecs.create_cluster(clusterName="web")
    bob = account.server.client("ecs", account.user("bob", allow, deny))
    ids: list[str] = []
    for call, parameters in ((bob.delete_cluster, {"cluster": "web"}), (bob.describe_clusters, {"clusters": ["web"]})):
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        ids.append(caught.value.response["ResponseMetadata"]["RequestId"])  # pyright: ignore[reportTypedDictNotRequiredAccess]
        event_of(account.server, ids[-1])
    return " ".join(ids)


def shown(capsys: pytest.CaptureFixture[str], command: Callable[..., None], *arguments: Any, **options: Any) -> str:
    """What a command prints, without what the server in this process has logged."""
    capsys.readouterr()
    command(*arguments, **options)
    return printed(capsys)


def test_why(sqlite_admin: Account, capsys: pytest.CaptureFixture[str]) -> None:
    explicit, implicit = denied(sqlite_admin).split()
    data = sqlite_admin.server.settings.data_dir
    arn = f"arn:aws:ecs:us-east-1:{sqlite_admin.id}:cluster/web"
    told = shown(capsys, why, explicit, data=data)
    assert f"denied: ecs:DeleteCluster on {arn}\n  by an explicit deny: Never of identity-based policy p\n" in told
    assert "    Action: ecs:DeleteCluster\n    Resource: *\n" in told
    assert f"by arn:aws:iam::{sqlite_admin.id}:user/bob with key AKIA" in told
    told = shown(capsys, why, implicit, data=data)
    assert "implicitly: what is missing is an allow in an identity-based policy" in told
    assert (
        "did not apply: Ireland of identity-based policy p:"
        " StringEquals aws:RequestedRegion wants eu-west-1; the request has us-east-1\n" in told
    )
    assert "    aws:username = bob\n" in told
    with pytest.raises(CommandFailed, match="no request nonsense"):
        why("nonsense", data=data)


def test_why_it_was_allowed(sqlite_admin: Account, capsys: pytest.CaptureFixture[str]) -> None:
    response = sqlite_admin.ecs.list_clusters()
    answered(sqlite_admin.server, response)
    request_id = response["ResponseMetadata"]["RequestId"]
    told = shown(capsys, why, request_id, data=sqlite_admin.server.settings.data_dir)
    assert "answered without an error" in told
    assert "  by Statement[0] of identity-based policy generated" in told


def test_the_list(sqlite_admin: Account, capsys: pytest.CaptureFixture[str]) -> None:
    denied(sqlite_admin)
    data: Path = sqlite_admin.server.settings.data_dir
    lines = shown(capsys, audit, data=data, account=sqlite_admin.id, denied=True).splitlines()
    assert [line.split("  ")[2] for line in lines] == ["ecs:DeleteCluster", "ecs:DescribeClusters"]
    told = shown(capsys, audit, data=data, account=sqlite_admin.id, event="CreateCluster", json=True, since="1h")
    (event,) = [json.loads(line) for line in told.splitlines()]
    assert event["eventName"] == "CreateCluster"
    assert len(shown(capsys, audit, data=data, account=sqlite_admin.id, lines=2, changes=True).splitlines()) == 2
    with pytest.raises(CommandFailed, match="neither an age"):
        audit(data=data, since="yesterday")
    with pytest.raises(CommandFailed, match="there is no audit trail"):
        audit(data=data / "elsewhere")


def test_following(sqlite_admin: Account) -> None:
    """Another process sees what happens after it began, filtered."""
    command = [
        sys.executable,
        "-m",
        "roadstead",
        "audit",
        "--follow",
        "--data",
        str(sqlite_admin.server.settings.data_dir),
    ]
    options = ["--account", sqlite_admin.id, "--event", "CreateCluster", "--json"]
    sqlite_admin.ecs.create_cluster(clusterName="before")
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE) as following:
        try:
            assert following.stdout is not None
            assert name(following.stdout.readline()) == "before"
            sqlite_admin.ecs.list_clusters()
            sqlite_admin.ecs.create_cluster(clusterName="after")
            assert name(following.stdout.readline()) == "after"
        finally:
            following.terminate()


def name(line: bytes) -> Any:
    return json.loads(line)["requestParameters"]["clusterName"]
