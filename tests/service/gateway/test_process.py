"""A server process: what it logs, what it never logs, how it stops."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.service.gateway.raw import FAMILIES
from tests.support.server import Keys, read_answer, refusal, signed_headers
from tests.support.server_process import ServerProcess, server_process

CALL = FAMILIES["json"]
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"x"},"Action":"sts:AssumeRole"}]}'
)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path / "data") as running:
        running.start()
        yield running


def keys_of(process: ServerProcess) -> Keys:
    stored = process.credentials()
    return Keys(stored["account"], stored["accessKeyId"], stored["secretAccessKey"])


def client(process: ServerProcess, service: str, keys: Keys | None = None) -> Any:
    return process.client(service, (keys.key, keys.secret, keys.token) if keys else None)


def connect(process: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", process.port), timeout=30)


def unfinished(process: ServerProcess, body: bytes) -> bytes:
    """The head of a signed request."""
    headers = signed_headers(process.port, keys_of(process), "logs", CALL.headers, body) | {
        "content-length": str(len(body))
    }
    return ("POST / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode()


def test_a_request_is_a_line(process: ServerProcess):
    keys = keys_of(process)
    told = client(process, "sts").get_caller_identity()["ResponseMetadata"]["RequestId"]
    refusal(client(process, "iam").get_user, UserName="nobody")
    refusal(client(process, "sts", Keys("", keys.key, "wrong")).get_caller_identity)
    assert process.stop() == 0
    good, missing, forged = process.lines("request")
    arn = f"arn:aws:iam::{keys.account}:user/admin"
    assert good["request_id"] == told
    assert (good["service"], good["operation"], good["status"], good["code"]) == ("sts", "GetCallerIdentity", 200, "OK")
    assert (good["account"], good["region"], good["principal"]) == (keys.account, "us-east-1", arn)
    assert good["source"] == "127.0.0.1"
    assert good["user_agent"].startswith("Boto3/")
    assert good["ms"] > 0
    assert good["level"] == "info"
    assert (missing["operation"], missing["status"], missing["principal"]) == ("GetUser", 404, arn)
    assert missing["code"].startswith("NoSuchEntity")
    assert (forged["code"], forged["status"]) == ("SignatureDoesNotMatch", 403)
    assert (forged["account"], forged["principal"]) == ("-", "-")


def test_no_secret_is_ever_logged(process: ServerProcess):
    keys, iam = keys_of(process), client(process, "iam")
    iam.create_user(UserName="bob")
    made = iam.create_access_key(UserName="bob")["AccessKey"]
    bob = Keys(keys.account, made["AccessKeyId"], made["SecretAccessKey"])
    refusal(client(process, "logs", bob).describe_log_groups)
    token = "A-token-that-nobody-issued"
    refusal(client(process, "logs", Keys("", bob.key, bob.secret, token)).describe_log_groups)
    password: str = client(process, "ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    url = client(process, "sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    connection = http.client.HTTPConnection("127.0.0.1", process.port)
    connection.request("GET", "/" + url.split("/", 3)[3])
    assert read_answer(connection.getresponse()).status == 200
    process.stop()
    text = process.log.read_text()
    assert "GetAuthorizationToken" in text
    signature = url.partition("X-Amz-Signature=")[2]
    for secret in (keys.secret, bob.secret, token, password, signature, "Signature=", "AWS4-HMAC"):
        assert secret not in text


def test_a_request_under_way_is_finished_and_new_ones_are_not_taken(process: ServerProcess):
    body = json.dumps({"limit": 3}).encode()
    with connect(process) as connection, connect(process) as idle:
        connection.sendall(unfinished(process, body) + body[:3])
        # The server has read the head once it answers another request that came later.
        client(process, "sts").get_caller_identity()
        process.signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        with pytest.raises(ConnectionError):
            connect(process).close()
        connection.sendall(body[3:])
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        assert read_answer(response).json == {"logGroups": []}
        assert connection.recv(1) == b""
    assert process.exit_status(15) == 0


def test_a_request_that_never_ends_does_not_hold_it_up(process: ServerProcess):
    with connect(process) as connection:
        connection.sendall(unfinished(process, b"{}"))
        client(process, "sts").get_caller_identity()
        assert process.stop() == 0


def test_every_line_of_the_log_is_json(process: ServerProcess):
    refusal(client(process, "eks").list_clusters)
    with connect(process) as connection:
        connection.sendall(b"no http\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    process.stop()
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert all(line["event"] and line["level"] for line in lines)


def test_what_was_acknowledged_is_there_after_a_kill(process: ServerProcess):
    keys = keys_of(process)
    client(process, "iam").create_role(RoleName="kept", AssumeRolePolicyDocument=TRUST)
    process.kill()
    process.start()
    assert keys_of(process) == keys
    assert client(process, "iam").get_role(RoleName="kept")["Role"]["RoleName"] == "kept"
