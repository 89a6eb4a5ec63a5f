"""The links of agents and hosts: opened, refused to who may not, refused to nobody."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.support.server import Keys, ServerThread

from roadstead.agent.client import FileCredentials, LinkRefused, connect_link, link_url
from roadstead.agent.client.credentials import Credentials, FixedCredentials
from roadstead.audit.reading import Wanted, last_events
from roadstead.audit.settings import FOLDER
from roadstead.wire.hosts import WATCH_PATH

WATCH = "WatchHostResources"


def links_told(server: ServerThread, count: int) -> list[Any]:
    """The last events of watch streams, once there are as many."""
    deadline = time.monotonic() + 10
    while len(lines := last_events(server.settings.data_dir / FOLDER, Wanted(event=WATCH), 100)[0]) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [json.loads(line) for line in lines]


async def test_links_are_told_of(sqlite_server: ServerThread) -> None:
    server = sqlite_server
    source = FileCredentials(server.settings.data_dir / "agent.json")
    host, known = source.identity().host_id, source.current()
    url = link_url(f"http://127.0.0.1:{server.port}", WATCH_PATH.format(host=host), {})
    register(server, host, Keys("", known.access_key_id, known.secret_access_key))
    before = len(links_told(server, 0))
    async with connect_link(url, source, "us-east-1", "roadstead"):
        pass
    admin = server.new_account()
    for key, secret in ((admin.key, admin.secret), (known.access_key_id, "wrong")):
        with pytest.raises(LinkRefused):
            async with connect_link(url, FixedCredentials(Credentials(key, secret)), "us-east-1", "roadstead"):
                pass
    opened, foreign, forged = links_told(server, before + 3)[before:]
    arn = f"arn:aws:roadstead:us-east-1:999999999999:host/{host}"
    assert "errorCode" not in opened
    assert opened["userIdentity"]["arn"].endswith(f"user/hosts/{host}")
    assert opened["resources"] == [{"ARN": arn, "accountId": "999999999999"}]
    assert opened["additionalEventData"]["authorization"][0]["decision"] == "allowed"
    assert foreign["errorCode"] == "AccessDeniedException"
    assert foreign["recipientAccountId"] == admin.account
    assert foreign["additionalEventData"]["authorization"][0]["decision"] == "implicitDeny"
    assert forged["userIdentity"]["type"] == "Unknown"
    assert "signature" in forged["errorMessage"]


def register(server: ServerThread, host: str, keys: Keys) -> None:
    facts = {"hostId": host, "hostname": "h", "capacity": {"cpu": 1, "memory": 1}, "bootId": "b", "version": "1"}
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Roadstead_20261101.RegisterHost"}
    body = json.dumps(facts).encode()
    answer = server.send("POST", "/", server.signed(keys, "roadstead", headers, body), body)
    assert answer.status == 200, answer.text
