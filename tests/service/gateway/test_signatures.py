"""Who is let in, and in which words the others are refused: each protocol family has its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from tests.service.gateway.raw import FAMILIES, FORM, Call, error_of
from tests.support.server import Account, Answer, Keys, ServerThread

from roadstead.access.sessions import issue_role_session
from roadstead.core.sigv4 import UNSIGNED_PAYLOAD
from roadstead.kernel.arn import Arn

Attempt = Callable[[Call, ServerThread, Keys], Answer]


def shifted(minutes: float) -> Attempt:
    return lambda call, server, keys: call.send(server, keys, now=datetime.now(UTC) + timedelta(minutes=minutes))


def by(**changed: str) -> Attempt:
    return lambda call, server, keys: call.send(server, replace(keys, **changed))


ATTEMPTS: dict[str, Attempt] = {
    "unsigned": lambda call, server, keys: call.send(server, keys, authorization=""),
    "basic": lambda call, server, keys: call.send(server, keys, authorization="Basic eDp5"),
    "incomplete": lambda call, server, keys: call.send(
        server,
        keys,
        authorization=f"AWS4-HMAC-SHA256 Credential={keys.key}/20260101/us-east-1/{call.service}/aws4_request",
    ),
    "unknown key": by(key="AKIANOTTHEREATALL000"),
    "wrong secret": by(secret="x" * 40),
    "forged token": by(token="forged"),
    "old": shifted(-5.5),
    "ahead": shifted(5.5),
    "another service": lambda call, server, keys: (
        replace(call, service="dynamodb").send(server, keys)
        if call.service in ("logs", "monitoring")
        else by(secret="x")(call, server, keys)
    ),
}
JSON = {
    "unsigned": "MissingAuthenticationTokenException",
    "basic": "MissingAuthenticationTokenException",
    "incomplete": "IncompleteSignatureException",
    "unknown key": "UnrecognizedClientException",
    "wrong secret": "InvalidSignatureException",
    "forged token": "UnrecognizedClientException",
    "old": "InvalidSignatureException",
    "ahead": "InvalidSignatureException",
    "another service": "InvalidSignatureException",
}
QUERY = {
    "unsigned": "MissingAuthenticationToken",
    "basic": "MissingAuthenticationToken",
    "incomplete": "IncompleteSignature",
    "unknown key": "InvalidClientTokenId",
    "wrong secret": "SignatureDoesNotMatch",
    "forged token": "InvalidClientTokenId",
    "old": "SignatureDoesNotMatch",
    "ahead": "SignatureDoesNotMatch",
    "another service": "SignatureDoesNotMatch",
}
EC2 = {
    "unsigned": "MissingAuthenticationToken",
    "basic": "MissingAuthenticationToken",
    "incomplete": "IncompleteSignature",
    "unknown key": "AuthFailure",
    "wrong secret": "AuthFailure",
    "forged token": "AuthFailure",
    "old": "RequestExpired",
    "ahead": "RequestExpired",
    "another service": "AuthFailure",
}
CODES = {"json": JSON, "rest-json": JSON, "cbor": JSON, "query": QUERY, "ec2": EC2}
CLIENT_FAULT = {"json": 400, "cbor": 400, "rest-json": 403, "query": 403}
EC2_STATUS = {"MissingAuthenticationToken": 403, "AuthFailure": 401, "RequestExpired": 400, "IncompleteSignature": 400}


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_refused(sqlite_server: ServerThread, family: str, attempt: str):
    answer = ATTEMPTS[attempt](FAMILIES[family], sqlite_server, sqlite_server.new_account())
    code, message = error_of(answer)
    assert code == CODES[family][attempt]
    assert message
    if family == "ec2":
        assert answer.status == EC2_STATUS[code]
    else:
        assert answer.status == (400 if code == "IncompleteSignature" else CLIENT_FAULT[family])
    assert len(answer.headers["x-amzn-requestid"]) == 36


@pytest.mark.parametrize("family", ["query", "ec2", "json"])
def test_let_in(server: ServerThread, family: str):
    answer = FAMILIES[family].send(server, server.new_account())
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("minutes", [-4.5, 4.5])
def test_a_clock_may_be_wrong_by_five_minutes(sqlite_server: ServerThread, minutes: float):
    answer = shifted(minutes)(FAMILIES["query"], sqlite_server, sqlite_server.new_account())
    assert answer.status == 200


def test_times_are_told_to_who_is_late(sqlite_server: ServerThread):
    answer = shifted(-6)(FAMILIES["json"], sqlite_server, sqlite_server.new_account())
    assert error_of(answer)[1].startswith("Signature expired: ")
    assert error_of(answer)[1].endswith(" - 5 min.)")


def test_the_scope_must_be_the_service_s_own(sqlite_server: ServerThread):
    keys = sqlite_server.new_account()
    answer = replace(FAMILIES["json"], service="ecs").send(sqlite_server, keys)
    assert error_of(answer) == (
        "InvalidSignatureException",
        "Credential should be scoped to correct service: 'logs'. ",
    )


def test_the_region_must_look_like_one(sqlite_server: ServerThread):
    keys, call = sqlite_server.new_account(), FAMILIES["json"]
    headers = sqlite_server.signed(keys, "logs", call.headers, call.body, region="nowhere")
    answer = sqlite_server.send("POST", "/", headers, call.body)
    assert error_of(answer)[1].startswith("Credential should be scoped to a valid region")


def test_a_changed_body_is_noticed(sqlite_server: ServerThread):
    keys, call = sqlite_server.new_account(), FAMILIES["json"]
    headers = sqlite_server.signed(keys, "logs", call.headers, call.body)
    answer = sqlite_server.send("POST", "/", headers, b'{"limit":1}')
    assert error_of(answer)[0] == "InvalidSignatureException"


def test_a_hash_in_the_header_must_be_the_body_s(sqlite_server: ServerThread):
    keys, call = sqlite_server.new_account(), FAMILIES["json"]
    other = sha256(b"another").hexdigest()
    headers = {**call.headers, "x-amz-content-sha256": other}
    signed = sqlite_server.signed(keys, "logs", headers, call.body, payload_hash=other)
    assert error_of(sqlite_server.send("POST", "/", signed, call.body))[0] == "InvalidSignatureException"


def test_a_payload_may_be_left_unsigned_where_the_signed_header_says_so(sqlite_server: ServerThread):
    keys, call = sqlite_server.new_account(), FAMILIES["json"]
    headers = {**call.headers, "x-amz-content-sha256": UNSIGNED_PAYLOAD}
    signed = sqlite_server.signed(keys, "logs", headers, call.body, payload_hash=UNSIGNED_PAYLOAD)
    assert sqlite_server.send("POST", "/", signed, b'{"limit":1}').status == 200
    # A signature over the hash is none over the marker, and the marker must be signed itself.
    signed = sqlite_server.signed(keys, "logs", headers, call.body)
    assert error_of(sqlite_server.send("POST", "/", signed, call.body))[0] == "InvalidSignatureException"
    added = sqlite_server.signed(keys, "logs", call.headers, call.body, payload_hash=UNSIGNED_PAYLOAD)
    added["x-amz-content-sha256"] = UNSIGNED_PAYLOAD
    assert error_of(sqlite_server.send("POST", "/", added, call.body))[0] == "InvalidSignatureException"


def test_a_header_that_is_not_signed_does_not_count(sqlite_server: ServerThread):
    keys, call = sqlite_server.new_account(), FAMILIES["json"]
    answer = call.send(sqlite_server, keys, x_amz_target="Logs_20140328.DeleteLogGroup")
    assert error_of(answer)[0] == "InvalidSignatureException"
    headers = {name: value for name, value in call.headers.items() if name != "x-amz-target"}
    signed = sqlite_server.signed(keys, "logs", headers, call.body) | {"x-amz-target": call.headers["x-amz-target"]}
    assert "must be a 'SignedHeader'" in error_of(sqlite_server.send("POST", "/", signed, call.body))[1]


def test_headers_of_one_name_are_signed_as_one(sqlite_server: ServerThread):
    keys, call = sqlite_server.new_account(), FAMILIES["json"]
    signed = sqlite_server.signed(keys, "logs", {**call.headers, "x-amz-note": "one,two"}, call.body)
    lines = [(name, value) for name, value in signed.items() if name != "x-amz-note"]
    for notes in (("one", "two"), ("two", "one")):
        head = "".join(f"{name}: {value}\r\n" for name, value in (*lines, *(("X-Amz-Note", note) for note in notes)))
        request = f"POST / HTTP/1.1\r\n{head}content-length: {len(call.body)}\r\nconnection: close\r\n\r\n".encode()
        with sqlite_server.connect() as connection, connection.makefile("rb") as answer:
            connection.sendall(request + call.body)
            assert answer.readline().split()[1] == (b"200" if notes == ("one", "two") else b"400")


def presigned(account: Account, seconds: int) -> str:
    client: Any = account.sts
    url: str = client.generate_presigned_url("get_caller_identity", ExpiresIn=seconds, HttpMethod="GET")
    return "/" + url.split("/", 3)[3]


def test_a_presigned_url(sqlite_admin: Account):
    path = presigned(sqlite_admin, 60)
    host = {"host": f"127.0.0.1:{sqlite_admin.server.port}"}
    answer = sqlite_admin.server.send("GET", path, host)
    assert f":{sqlite_admin.id}:user/admin" not in answer.headers
    assert f"arn:aws:iam::{sqlite_admin.id}:user/admin" in answer.text
    changed = path.replace("X-Amz-Expires=60", "X-Amz-Expires=600")
    assert error_of(sqlite_admin.server.send("GET", changed, host))[0] == "SignatureDoesNotMatch"
    assert error_of(sqlite_admin.server.send("GET", path + "&Extra=1", host))[0] == "SignatureDoesNotMatch"
    without = "&".join(part for part in path.split("&") if not part.startswith("X-Amz-Expires"))
    assert error_of(sqlite_admin.server.send("GET", without, host))[0] == "IncompleteSignature"


def test_a_presigned_url_that_is_too_old(sqlite_admin: Account, monkeypatch: pytest.MonkeyPatch):
    import botocore.auth

    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: datetime.now(UTC) - timedelta(minutes=2))
    answer = sqlite_admin.server.send(
        "GET", presigned(sqlite_admin, 60), {"host": f"127.0.0.1:{sqlite_admin.server.port}"}
    )
    assert (answer.status, error_of(answer)[0]) == (403, "SignatureDoesNotMatch")
    assert error_of(answer)[1].startswith("Signature expired: ")


def test_a_presigned_url_of_a_session(sqlite_admin: Account):
    session = sqlite_admin.sts.get_session_token()["Credentials"]
    token = session["SessionToken"]
    keys = Keys(sqlite_admin.id, session["AccessKeyId"], session["SecretAccessKey"], token)
    path = presigned(Account(sqlite_admin.server, keys), 60)
    written = f"X-Amz-Security-Token={quote(token, safe='')}"
    assert written in path

    def answer_to(path: str) -> Answer:
        return sqlite_admin.server.send("GET", path, {"host": f"127.0.0.1:{sqlite_admin.server.port}"})

    answer = answer_to(path)
    assert (answer.status, f"arn:aws:iam::{sqlite_admin.id}:user/admin" in answer.text) == (200, True), answer.text
    invalid = (403, "InvalidClientTokenId")
    middle = len(token) // 2
    forged = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    another = sqlite_admin.sts.get_session_token()["Credentials"]["SessionToken"]
    for other in (forged, another):
        answer = answer_to(path.replace(written, f"X-Amz-Security-Token={quote(other, safe='')}"))
        assert (answer.status, error_of(answer)[0]) == invalid
    answer = answer_to("&".join(part for part in path.split("&") if part != written))
    assert (answer.status, error_of(answer)[0]) == invalid


def test_a_presigned_url_of_a_session_that_is_over(sqlite_admin: Account):
    now = datetime.now(UTC)
    session = issue_role_session(
        sqlite_admin.server.sealer(),
        role=Arn(service="iam", region="", account=sqlite_admin.id, resource="role/worker"),
        role_id="AROA",
        session_name="task",
        now=now - timedelta(hours=1),
        expires=now - timedelta(seconds=1),
    )
    keys = Keys(sqlite_admin.id, session.access_key_id, session.secret_access_key, session.session_token)
    path = presigned(Account(sqlite_admin.server, keys), 60)
    answer = sqlite_admin.server.send("GET", path, {"host": f"127.0.0.1:{sqlite_admin.server.port}"})
    assert (answer.status, *error_of(answer)) == (
        403,
        "ExpiredToken",
        "The security token included in the request is expired",
    )


def test_the_query_may_carry_the_action_too(sqlite_server: ServerThread):
    keys, path = sqlite_server.new_account(), "/?Action=GetCallerIdentity&Version=2011-06-15"
    call = Call("sts", {}, b"", method="GET", path=path)
    assert call.send(sqlite_server, keys).status == 200
    assert Call("sts", FORM, b"", path=path).send(sqlite_server, keys).status in (200, 400)
