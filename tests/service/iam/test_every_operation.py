"""All operations of IAM's model: each is built, or refused by its name."""

from __future__ import annotations

import pytest
from tests.support.server import Account

from roadstead.gateway.models import service_model
from roadstead.services.operation import OPERATIONS

MODEL = service_model("iam")
MISSING = [name for name in MODEL.operation_names if f"iam:{name}" not in OPERATIONS]


@pytest.mark.parametrize("name", MISSING)
def test_what_is_not_built_is_refused_by_name(sqlite_admin: Account, name: str):
    body = f"Action={name}&Version={MODEL.api_version}".encode()
    server = sqlite_admin.server
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = server.send("POST", "/", server.signed(sqlite_admin.keys, "iam", kind, body), body)
    assert answer.status == 501
    assert "<Code>NotImplemented</Code>" in answer.text
    assert f"iam:{name}" in answer.text
