"""Bodies and connections: bounds in size and time, chunks, pipelines, clients that go away."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.service.gateway.raw import FAMILIES, error_of
from tests.support.server import Answer, Keys, ServerThread, read_answer, refusal, server_thread

from roadstead.gateway.app import Limits

LIMITS = Limits(body=100_000, idle=0.4, total=1.5)
HEAD_SECONDS = 0.5
CALL = FAMILIES["json"]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    """A server that waits for nobody."""
    with server_thread(tmp_path_factory.mktemp("hasty"), limits=LIMITS, head_seconds=HEAD_SECONDS) as running:
        yield running


@pytest.fixture
def keys(hasty: ServerThread) -> Keys:
    return hasty.new_account()


def head(headers: Mapping[str, str], length: int | None, **more: str) -> bytes:
    lines = {**headers, **({} if length is None else {"content-length": str(length)}), **more}
    return (
        "POST / HTTP/1.1\r\n" + "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in lines.items()) + "\r\n"
    ).encode()


def request(server: ServerThread, keys: Keys, body: bytes = b"{}") -> bytes:
    return head(server.signed(keys, "logs", CALL.headers, body), len(body)) + body


def answer_from(connection: socket.socket) -> Answer:
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    return read_answer(response)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server closes, within the connection's time-out."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return True


def still_answers(server: ServerThread, keys: Keys) -> bool:
    return CALL.send(server, keys).status == 200


def test_a_body_that_is_too_long_by_its_own_word(hasty: ServerThread, keys: Keys):
    with hasty.connect() as connection:
        connection.sendall(head(hasty.signed(keys, "logs", CALL.headers, b""), LIMITS.body + 1))
        answer = answer_from(connection)
        assert (answer.status, error_of(answer)[0]) == (413, "RequestEntityTooLarge")
        assert answer.headers["connection"] == "close"
        assert is_closed(connection)
    assert still_answers(hasty, keys)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_body_that_is_too_long_in_every_protocol(hasty: ServerThread, keys: Keys, family: str):
    call = FAMILIES[family]
    with hasty.connect() as connection:
        headers = hasty.signed(keys, call.service, call.headers, b"", path=call.path)
        connection.sendall(head(headers, LIMITS.body + 1).replace(b"POST /", f"POST {call.path}".encode(), 1))
        answer = answer_from(connection)
    assert (answer.status, error_of(answer)[0]) == (413, "RequestEntityTooLarge")
    kind = {"query": "text/xml", "ec2": "text/xml", "cbor": "application/cbor"}.get(family, "json")
    assert kind in answer.headers["content-type"]
    assert answer.headers["x-amzn-requestid"]


def test_without_memory_for_a_body_boto3_is_told_to_slow_down(tmp_path: Path):
    with server_thread(tmp_path, limits=Limits(together=1)) as server:
        keys = server.new_account()
        for service, call in (("sts", "get_caller_identity"), ("ec2", "describe_vpcs"), ("ecs", "list_clusters")):
            refused = refusal(getattr(server.client(service, keys), call))
            assert (refused.code, refused.status) == ("RequestThrottled", 503)


def test_a_body_that_grows_too_long(hasty: ServerThread, keys: Keys):
    with hasty.connect() as connection:
        connection.sendall(head(hasty.signed(keys, "logs", CALL.headers, b""), None, transfer_encoding="chunked"))
        with contextlib.suppress(ConnectionError):
            for _ in range(12):
                connection.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        assert answer_from(connection).status == 413


def test_a_body_of_the_largest_size(hasty: ServerThread, keys: Keys):
    body = b"{" + b" " * (LIMITS.body - 2) + b"}"
    with hasty.connect() as connection:
        connection.sendall(request(hasty, keys, body))
        assert answer_from(connection).status == 200


def test_a_body_that_stops(hasty: ServerThread, keys: Keys):
    with hasty.connect() as connection:
        connection.sendall(request(hasty, keys)[:-1])
        answer = answer_from(connection)
        assert (answer.status, error_of(answer)[0]) == (408, "RequestTimeout")
        assert is_closed(connection)


def test_a_body_that_trickles_for_too_long(hasty: ServerThread, keys: Keys):
    started = time.monotonic()
    with hasty.connect() as connection:
        connection.sendall(head(hasty.signed(keys, "logs", CALL.headers, b""), 1000))
        connection.settimeout(0.1)
        answer = None
        while answer is None and time.monotonic() < started + 10:
            connection.sendall(b" ")
            try:
                connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                continue
            answer = answer_from(connection)
    assert answer is not None
    assert answer.status == 408
    assert time.monotonic() - started >= LIMITS.total


@pytest.mark.parametrize("part", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_that_does_not_come(hasty: ServerThread, part: bytes):
    with hasty.connect() as connection:
        connection.sendall(part)
        assert is_closed(connection)


def test_a_head_that_trickles(hasty: ServerThread):
    started = time.monotonic()
    with hasty.connect() as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(0.1)
        connection.sendall(b"POST / HTTP/1.1\r\n")
        while time.monotonic() < started + 10:
            connection.sendall(b"a: b\r\n")
            try:
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
    assert time.monotonic() - started < 10


def test_a_slow_second_head_on_a_connection_that_worked(hasty: ServerThread, keys: Keys):
    with hasty.connect() as connection:
        connection.sendall(request(hasty, keys))
        assert answer_from(connection).status == 200
        connection.sendall(b"POST / HTTP/1.1\r\nhost:")
        assert is_closed(connection)


def test_chunked_bodies_in_small_pieces(hasty: ServerThread, keys: Keys):
    body = b'{"limit": 5}'
    with hasty.connect() as connection:
        connection.sendall(head(hasty.signed(keys, "logs", CALL.headers, body), None, transfer_encoding="chunked"))
        for byte in body:
            connection.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        answer = answer_from(connection)
        assert (answer.status, answer.json) == (200, {"logGroups": []})


def test_expect_continue(hasty: ServerThread, keys: Keys):
    with hasty.connect() as connection:
        connection.sendall(head(hasty.signed(keys, "logs", CALL.headers, b"{}"), 2, expect="100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"{}")
        assert answer_from(connection).status == 200


def test_requests_one_after_another_on_one_connection(sqlite_server: ServerThread):
    keys = sqlite_server.new_account()
    connection = http.client.HTTPConnection("127.0.0.1", sqlite_server.port, timeout=30)
    with contextlib.closing(connection):
        ports: set[int] = set()
        for _ in range(20):
            connection.request("POST", "/", b"{}", sqlite_server.signed(keys, "logs", CALL.headers, b"{}"))
            assert read_answer(connection.getresponse()).status == 200
            ports.add(connection.sock.getsockname()[1])
        assert len(ports) == 1


def test_pipelined_requests_are_answered_in_order(sqlite_server: ServerThread):
    keys = sqlite_server.new_account()
    logs = sqlite_server.client("logs", keys)
    for number in range(5):
        logs.create_log_group(logGroupName=f"/g{number}")
    bodies = [f'{{"limit":1,"logGroupNamePrefix":"/g{number}"}}'.encode() for number in range(5)]
    with sqlite_server.connect() as connection:
        connection.sendall(b"".join(request(sqlite_server, keys, body) for body in bodies))
        with connection.makefile("rb") as stream:
            for number in range(5):
                status = stream.readline()
                length = 0
                while (line := stream.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                assert b" 200 " in status
                assert f'"/g{number}"'.encode() in stream.read(length)


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_clients_that_go_away(sqlite_server: ServerThread, cut: int):
    keys = sqlite_server.new_account()
    body = b'{"logGroupName":"/gone"}'
    headers = {**CALL.headers, "x-amz-target": "Logs_20140328.CreateLogGroup"}
    whole = head(sqlite_server.signed(keys, "logs", headers, body), len(body)) + body
    for _ in range(3):
        with sqlite_server.connect() as connection:
            connection.sendall(whole[:cut])
    assert still_answers(sqlite_server, keys)
    assert sqlite_server.client("logs", keys).describe_log_groups()["logGroups"] == []


def test_a_client_that_does_not_wait_for_the_answer_did_ask(sqlite_server: ServerThread):
    keys = sqlite_server.new_account()
    body = b'{"logGroupName":"/asked"}'
    headers = {**CALL.headers, "x-amz-target": "Logs_20140328.CreateLogGroup"}
    with sqlite_server.connect() as connection:
        connection.sendall(head(sqlite_server.signed(keys, "logs", headers, body), len(body)) + body)
    deadline = time.monotonic() + 10
    while not sqlite_server.client("logs", keys).describe_log_groups()["logGroups"]:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"\0" * 100],
)
def test_what_is_not_http(sqlite_server: ServerThread, garbage: bytes):
    with sqlite_server.connect() as connection:
        connection.sendall(garbage)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_a_length_and_chunks_at_once_are_refused(sqlite_server: ServerThread):
    keys = sqlite_server.new_account()
    with sqlite_server.connect() as connection:
        headers = sqlite_server.signed(keys, "logs", CALL.headers, b"{}")
        connection.sendall(head(headers, 2, transfer_encoding="chunked") + b"2\r\n{}\r\n0\r\n\r\n")
        assert answer_from(connection).status == 400
