"""The same request several times at once: one wins, the others are told why not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server import Account

CLIENTS = 6
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"x"},"Action":"sts:AssumeRole"}]}'
)
CREATIONS: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "log group": ("logs", lambda c: c.create_log_group(logGroupName="/one"), "ResourceAlreadyExistsException"),
    "user": ("iam", lambda c: c.create_user(UserName="one"), "EntityAlreadyExists"),
    "role": ("iam", lambda c: c.create_role(RoleName="one", AssumeRolePolicyDocument=TRUST), "EntityAlreadyExists"),
}


def outcomes(admin: Account, service: str, call: Callable[[Any], object]) -> Counter[str]:
    clients = [admin.server.client(service, admin.keys) for _ in range(CLIENTS)]

    def attempt(client: Any) -> str:
        try:
            call(client)
        except ClientError as error:
            response: Any = error.response
            return response["Error"]["Code"]
        return "OK"

    with ThreadPoolExecutor(CLIENTS) as pool:
        return Counter(pool.map(attempt, clients))


@pytest.mark.parametrize("what", CREATIONS)
def test_only_one_makes_it(admin: Account, what: str):
    service, call, exists = CREATIONS[what]
    assert outcomes(admin, service, call) == {"OK": 1, exists: CLIENTS - 1}


def test_a_user_never_has_more_than_two_keys(admin: Account):
    admin.iam.create_user(UserName="bob")
    found = outcomes(admin, "iam", lambda client: client.create_access_key(UserName="bob"))
    assert found == {"OK": 2, "LimitExceeded": CLIENTS - 2}


def test_every_event_of_concurrent_batches_is_kept(admin: Account):
    admin.logs.create_log_group(logGroupName="/app")
    admin.logs.create_log_stream(logGroupName="/app", logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": "x"}] * 10
    put = {"logGroupName": "/app", "logStreamName": "s", "logEvents": events}
    assert outcomes(admin, "logs", lambda client: client.put_log_events(**put)) == {"OK": CLIENTS}
    stored = admin.logs.get_log_events(logGroupName="/app", logStreamName="s")["events"]
    assert len(stored) == 10 * CLIENTS
    assert admin.logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 27 * 10 * CLIENTS
