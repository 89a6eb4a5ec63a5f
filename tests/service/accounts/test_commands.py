"""`roadstead account`, against a server that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from tests.support.printed import printed
from tests.support.server import ServerThread, refusal

from roadstead.cli.account import create, limit, list_accounts, show, unlimit
from roadstead.cli.failure import CommandFailed

ACCOUNT = "424242424242"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_an_account_from_the_command_line(
    sqlite_server: ServerThread, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = sqlite_server.settings.data_dir
    (home / "config").write_text("[profile mine]\nregion = eu-west-1\n")
    capsys.readouterr()
    create("Team Red", id=ACCOUNT, data=data)
    told = printed(capsys)
    assert told.splitlines() == [
        f"account {ACCOUNT} (Team Red)",
        "profile roadstead-team-red: its user admin",
        f"role arn:aws:iam::{ACCOUNT}:role/OrganizationAccountAccessRole",
    ]
    assert "[profile mine]\nregion = eu-west-1\n" in (home / "config").read_text()
    session: Any = boto3.Session(profile_name="roadstead-team-red")
    assert session.client("sts").get_caller_identity()["Account"] == ACCOUNT
    list_accounts(data=data)
    assert {f"{ACCOUNT}  Team Red", "000000000000  default  (manages the others)"} <= set(printed(capsys).splitlines())
    list_accounts(json=True, data=data)
    assert ACCOUNT in {each["accountId"] for each in msgspec.json.decode(printed(capsys))}
    deny = home / "deny.json"
    deny.write_text('{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"ecs:*","Resource":"*"}}')
    limit(ACCOUNT, "NoEcs", deny, data=data)
    assert refusal(session.client("ecs").list_clusters).code == "AccessDeniedException"
    show(ACCOUNT, data=data)
    assert f"NoEcs: {deny.read_text()}" in printed(capsys)
    unlimit(ACCOUNT, "NoEcs", data=data)
    session.client("ecs").list_clusters()


def test_what_it_refuses(sqlite_server: ServerThread, home: Path) -> None:
    data = sqlite_server.settings.data_dir
    (home / "credentials").write_text("[roadstead-taken]\naws_access_key_id = A\n")
    with pytest.raises(CommandFailed, match="there is an AWS profile roadstead-taken already"):
        create("taken", data=data)
    with pytest.raises(CommandFailed, match="AccountNotFoundException"):
        show("123412341234", data=data)
    with pytest.raises(CommandFailed, match="can't be read"):
        limit("123412341234", "p", home / "none", data=data)
    with pytest.raises(CommandFailed, match="there are no credentials"):
        list_accounts(data=home)
