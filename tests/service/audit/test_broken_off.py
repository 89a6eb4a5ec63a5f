"""A request that breaks off is nobody's any more, and is told all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.service.audit.told import event_that
from tests.support.server import Account, ServerThread

LEFT = "The client closed the connection before its request was complete."


def half(server: ServerThread, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
    """Send a request whose length is twice what comes, and leave."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{method} {path} HTTP/1.1\r\n{lines}content-length: {2 * len(body)}\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head.encode() + body)


def broken_off(event: Any) -> bool:
    return event.get("errorCode") == "BrokenOff"


def test_a_call_of_an_api(sqlite_admin: Account) -> None:
    server, keys = sqlite_admin.server, sqlite_admin.keys
    target = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AmazonEC2ContainerServiceV20141113.RunTask",
    }
    headers = server.signed(keys, "ecs", target, b'{"cluster":')
    half(server, "POST", "/", headers, b'{"cluster":')
    event = event_that(server, lambda e: broken_off(e) and e["userIdentity"].get("accessKeyId") == keys.key)
    assert (event["eventSource"], event["eventName"]) == ("ecs.amazonaws.com", "RunTask")
    assert event["errorMessage"] == LEFT
    assert event["userIdentity"]["type"] == "Unknown", "nothing of it was verified"
    assert event["sourceIPAddress"] == "127.0.0.1"
    assert "requestParameters" not in event or event["requestParameters"] is None


def test_a_request_that_says_nothing_of_itself(sqlite_admin: Account) -> None:
    server = sqlite_admin.server
    half(server, "POST", "/", {"host": "localhost", "user-agent": "says-nothing"}, b"half")
    event = event_that(server, lambda e: broken_off(e) and e["userAgent"] == "says-nothing")
    assert (event["eventName"], event["errorMessage"]) == ("UnknownOperation", LEFT)


def test_a_layer_that_is_pushed(sqlite_admin: Account) -> None:
    admin, server = sqlite_admin, sqlite_admin.server
    admin.ecr.create_repository(repositoryName="web")
    auth = admin.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    headers = {
        "host": f"{admin.id}.dkr.ecr.us-east-1.localhost:{server.port}",
        "authorization": f"Basic {auth}",
        "content-type": "application/octet-stream",
    }
    begun = server.send("POST", "/v2/web/blobs/uploads/", headers)
    assert begun.status == 202
    path = begun.headers["location"].removeprefix(f"http://{headers['host']}")
    half(server, "PATCH", path, headers, b"x" * 1000)
    event = event_that(server, lambda e: broken_off(e) and e["recipientAccountId"] == admin.id)
    assert (event["eventSource"], event["eventName"]) == ("ecr.amazonaws.com", "UploadLayerPart")
    assert event["errorMessage"] == LEFT
    assert event["userIdentity"]["arn"] == f"arn:aws:iam::{admin.id}:user/admin"
    assert event["requestParameters"]["repositoryName"] == "web"
    (decision,) = event["additionalEventData"]["authorization"]
    assert (decision["action"], decision["decision"]) == ("ecr:UploadLayerPart", "allowed")
    assert auth not in json.dumps(event)
