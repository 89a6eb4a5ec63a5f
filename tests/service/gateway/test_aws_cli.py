"""The aws command line, on a service of each protocol family."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.server import Account

AWS = Path(sys.executable).with_name("aws")


def aws(admin: Account, *arguments: str, fails: bool = False) -> Any:
    """What the command prints: JSON, or the error's text where it must fail."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{admin.server.port}",
        "AWS_ACCESS_KEY_ID": admin.keys.key,
        "AWS_SECRET_ACCESS_KEY": admin.keys.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_PAGER": "",
    }
    done = subprocess.run([AWS, *arguments], env=environment, capture_output=True, text=True, timeout=120)
    assert bool(done.returncode) == fails, done.stderr
    return done.stderr if fails else json.loads(done.stdout or "null")


def test_query(sqlite_admin: Account):
    assert aws(sqlite_admin, "sts", "get-caller-identity")["Account"] == sqlite_admin.id
    assert aws(sqlite_admin, "iam", "create-user", "--user-name", "cli")["User"]["UserName"] == "cli"


def test_json(sqlite_admin: Account):
    assert aws(sqlite_admin, "logs", "create-log-group", "--log-group-name", "/cli") is None
    groups = aws(sqlite_admin, "logs", "describe-log-groups")["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["/cli"]


def test_rest_json(sqlite_admin: Account):
    text = aws(sqlite_admin, "eks", "list-clusters", fails=True)
    assert "(NotImplemented)" in text
    assert "eks:ListClusters is not implemented by Roadstead." in text


def test_ec2(sqlite_admin: Account):
    assert "Vpcs" in aws(sqlite_admin, "ec2", "describe-vpcs")
