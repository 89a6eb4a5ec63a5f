"""Bodies pass through: in constant memory, checked on the way, and broken off as soon as one side is gone."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from tests.service.audit.told import event_that
from tests.service.forwarding.conftest import Deployment, ServerWith, s3_upstream
from tests.service.forwarding.upstream import bad_upstream, head_of
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server
from tests.support.server import ALLOW_ALL, REGION, Keys, ServerThread, read_answer, refusal, signed_headers
from tests.support.server_process import ServerProcess
from tests.support.waiting import until

from roadstead.core.forwarding.chunks import Chain
from roadstead.core.sigv4 import Scope, signing_key
from roadstead.gateway.forwarding import UpstreamSettings

MIB = 1024 * 1024
UNSIGNED = "UNSIGNED-PAYLOAD"


def headers_for(port: int, keys: Keys, method: str, path: str, payload: str, **more: str) -> dict[str, str]:
    named = {"x-amz-content-sha256": payload, **{n.replace("_", "-"): v for n, v in more.items()}}
    return signed_headers(
        port, keys, "s3", named, b"", method=method, path=path, payload_hash=payload, encoded_once=True
    )


@pytest.fixture
def process(tmp_path: Path, s3_server: S3Server) -> Iterator[tuple[ServerProcess, Keys]]:
    """A server as a process, configured by a file in its data directory."""
    server = ServerProcess(tmp_path / "data")
    server.data.mkdir()
    file = server.data / "roadstead.toml"
    file.write_text(
        f'[[upstream]]\nservice = "s3"\nendpoint = "{s3_server.endpoint}"\n'
        f'access_key_id = "{ACCESS_KEY}"\nsecret_access_key = "{SECRET_KEY}"\n'
    )
    file.chmod(0o600)
    server.start()
    try:
        stored = json.loads((server.data / "credentials.json").read_text())
        yield server, Keys("000000000000", stored["accessKeyId"], stored["secretAccessKey"])
    finally:
        server.end()


def peak_mib(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def test_a_gibibyte_passes_in_constant_memory(process: tuple[ServerProcess, Keys], s3_server: S3Server) -> None:
    server, keys = process
    s3_server.client().create_bucket(Bucket="large")
    size, piece = 1024 * MIB, os.urandom(MIB)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    small = headers_for(server.port, keys, "PUT", "/large/warm-up", UNSIGNED)
    connection.request("PUT", "/large/warm-up", b"x" * MIB, small)
    assert connection.getresponse().read() == b""
    before = peak_mib(server.pid)
    put = headers_for(server.port, keys, "PUT", "/large/object", UNSIGNED)
    connection.request("PUT", "/large/object", (piece for _ in range(1024)), {**put, "content-length": str(size)})
    answer = read_answer(connection.getresponse())
    assert answer.status == 200, answer.text
    get = headers_for(server.port, keys, "GET", "/large/object", UNSIGNED)
    connection.request("GET", "/large/object", headers=get)
    response, read = connection.getresponse(), 0
    while data := response.read(MIB):
        assert data == piece
        read += len(data)
    connection.close()
    assert read == size
    assert peak_mib(server.pid) - before < 48, "the body was held"
    s3_server.client().delete_object(Bucket="large", Key="object")


def test_a_signed_body_of_some_size_is_checked_on_the_way(deployment: Deployment, bucket: str) -> None:
    s3, content = deployment.client(), os.urandom(24 * MIB)
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    assert sha256(s3.get_object(Bucket=bucket, Key="k")["Body"].read()).digest() == sha256(content).digest()


def chunked(keys: Keys, headers: dict[str, str], parts: list[bytes], trailer: bytes | None = None) -> bytes:
    scope = Scope(headers["x-amz-date"][:8], REGION, "s3")
    seed = headers["authorization"].rpartition("Signature=")[2]
    chain = Chain(signing_key(keys.secret, scope.date, REGION, "s3"), headers["x-amz-date"], scope, seed)
    out = b""
    for part in [*parts, b""]:
        out += b"%x;chunk-signature=%b\r\n" % (len(part), chain.of_chunk(sha256(part).hexdigest()).encode())
        out += part + b"\r\n" if part else b""
    if trailer is not None:
        out += trailer + b"\r\nx-amz-trailer-signature:"
        out += chain.of_trailer(sha256(trailer + b"\n").hexdigest()).encode() + b"\r\n"
    return out + b"\r\n"


@pytest.mark.parametrize("trailer", [None, b"x-amz-checksum-crc32:DUoRhQ=="])
def test_signed_chunks_are_verified_and_signed_anew(deployment: Deployment, bucket: str, trailer: bytes | None) -> None:
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("" if trailer is None else "-TRAILER")
    parts = [b"hello world"] if trailer is not None else [b"hello" * 4096, b"world"]
    content = b"".join(parts)
    named = {"content_encoding": "aws-chunked", "x_amz_decoded_content_length": str(len(content))}
    if trailer is not None:
        named["x_amz_trailer"] = "x-amz-checksum-crc32"
    path, keys = f"/{bucket}/k", deployment.admin
    headers = headers_for(deployment.server.port, keys, "PUT", path, mode, **named)
    body = chunked(keys, headers, parts, trailer)
    answer = deployment.server.send("PUT", path, headers, body)
    assert answer.status == 200, answer.text
    assert deployment.client().get_object(Bucket=bucket, Key="k")["Body"].read() == content
    forged = body.replace(b"hello", b"jello", 1)
    answer = deployment.server.send("PUT", f"/{bucket}/forged", headers_at(deployment, bucket, mode, named), forged)
    assert answer.status == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in answer.text
    assert not (deployment.s3.root / bucket / "forged").exists()


def headers_at(deployment: Deployment, bucket: str, mode: str, named: dict[str, str]) -> dict[str, str]:
    return headers_for(deployment.server.port, deployment.admin, "PUT", f"/{bucket}/forged", mode, **named)


def test_an_unsigned_trailer_passes(deployment: Deployment, bucket: str) -> None:
    path, named = f"/{bucket}/k", {"content_encoding": "aws-chunked", "x_amz_decoded_content_length": "11"}
    named["x_amz_trailer"] = "x-amz-checksum-crc32"
    body = b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
    mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    headers = headers_for(deployment.server.port, deployment.admin, "PUT", path, mode, **named)
    answer = deployment.server.send("PUT", path, headers, body)
    assert answer.status == 200, answer.text
    wrong = body.replace(b"DUoRhQ", b"AAAAAA")
    assert "<Code>BadDigest</Code>" in deployment.server.send("PUT", path, headers, wrong).text


def conversation(port: int, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(data)
    return connection


def raw_head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def test_a_client_is_asked_for_its_body_when_it_may_send_it(deployment: Deployment, bucket: str) -> None:
    path = f"/{bucket}/k"
    for keys, first in ((deployment.admin, b"HTTP/1.1 100 "), (Keys("", "AKIAUNKNOWN", "x"), b"HTTP/1.1 403 ")):
        headers = headers_for(deployment.server.port, keys, "PUT", path, UNSIGNED)
        headers |= {"expect": "100-continue", "content-length": "5"}
        with conversation(deployment.server.port, raw_head("PUT", path, headers)) as connection:
            assert connection.recv(65536).startswith(first)
            if first == b"HTTP/1.1 100 ":
                connection.sendall(b"hello")
                assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            else:
                connection.settimeout(5)
                assert _to_its_end(connection) is not None


def _to_its_end(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def test_without_a_length_there_is_no_upload(deployment: Deployment, bucket: str) -> None:
    path = f"/{bucket}/k"
    headers = headers_for(deployment.server.port, deployment.admin, "PUT", path, UNSIGNED)
    headers["transfer-encoding"] = "chunked"
    with conversation(deployment.server.port, raw_head("PUT", path, headers) + b"0\r\n\r\n") as connection:
        assert b"<Code>MissingContentLength</Code>" in connection.recv(65536)


def test_an_upload_that_is_cut_off_makes_no_object(deployment: Deployment, bucket: str) -> None:
    path = f"/{bucket}/cut"
    claimed = sha256(b"x" * 4 * MIB).hexdigest()
    headers = headers_for(deployment.server.port, deployment.admin, "PUT", path, claimed)
    headers["content-length"] = str(4 * MIB)
    before = len(deployment.upstream_calls())
    connection = conversation(deployment.server.port, raw_head("PUT", path, headers) + b"x" * MIB)
    connection.close()
    until(lambda: any("cut" in line for line in deployment.upstream_calls(before)))
    assert not (deployment.s3.root / bucket / "cut").exists()
    event = event_that(deployment.server, lambda e: bucket in str(e.get("requestParameters")) and "cut" in str(e))
    assert (event["eventSource"], event["eventName"], event["errorCode"]) == (
        "s3.amazonaws.com",
        "PutObject",
        "BrokenOff",
    )
    assert event["errorMessage"] == "The client closed the connection before its request was complete."
    assert event["userIdentity"]["accessKeyId"] == deployment.admin.key
    (decision,) = event["additionalEventData"]["authorization"]
    assert (decision["action"], decision["decision"]) == ("s3:PutObject", "allowed")


def test_a_client_that_falls_silent_is_told(server_with: ServerWith, s3_server: S3Server) -> None:
    server = server_with(s3_upstream(s3_server), idle=1.0)
    keys = server.new_user("000000000000", "u")
    headers = headers_for(server.port, keys, "PUT", "/silent-bucket/k", UNSIGNED)
    headers["content-length"] = "10"
    with conversation(server.port, raw_head("PUT", "/silent-bucket/k", headers) + b"half") as connection:
        answer = connection.recv(65536)
    assert b"<Code>RequestTimeout</Code>" in answer or b"<Code>NoSuchBucket</Code>" in answer


def user_of(server: ServerThread) -> Keys:
    return server.new_user("000000000000", "caller", ALLOW_ALL)


def test_a_dead_upstream_is_named(server_with: ServerWith, s3_server: S3Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = server_with(s3_upstream(s3_server, endpoint=endpoint))
    failed = refusal(server.client("s3", user_of(server)).list_buckets)
    assert (failed.code, failed.status) == ("ServiceUnavailable", 503)
    assert failed.message == f"The upstream of s3, {endpoint}, can't be reached: Connection refused."


def test_a_slow_upstream_is_named(server_with: ServerWith, s3_server: S3Server) -> None:
    with bad_upstream(lambda connection: connection.recv(1) and time.sleep(5)) as upstream:  # type: ignore[func-returns-value]
        server = server_with(s3_upstream(s3_server, endpoint=upstream.endpoint, timeout=0.3))
        s3 = server.client("s3", user_of(server))
        failed = refusal(s3.put_object, Bucket="web", Key="k", Body=b"x")
        assert (failed.code, failed.status) == ("ServiceUnavailable", 503)
        assert failed.message == f"The upstream of s3, {upstream.endpoint}, is too slow."


def test_an_upstream_that_answers_before_the_body_is_read(server_with: ServerWith, s3_server: S3Server) -> None:
    body = b"<Error><Code>QuotaExceeded</Code><Message>full</Message></Error>"

    def full(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 507 Full\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        while connection.recv(65536):
            pass

    with bad_upstream(full) as upstream:
        server = server_with(s3_upstream(s3_server, endpoint=upstream.endpoint))
        s3 = server.client("s3", user_of(server))
        failed = refusal(s3.put_object, Bucket="web", Key="k", Body=bytes(20 * MIB))
        assert (failed.code, failed.status) == ("QuotaExceeded", 507)
        assert refusal(s3.put_object, Bucket="web", Key="k", Body=b"again").code == "QuotaExceeded"


def test_an_answer_that_is_changed_does_not_come_compressed(server_with: ServerWith) -> None:
    """Some of the objects may not be deleted, and the client would take the answer in gzip."""
    result = b"<DeleteResult><Deleted><Key>mine</Key></Deleted></DeleteResult>"

    def delete(connection: socket.socket) -> None:
        packed = b"accept-encoding: gzip" in head_of(connection).lower()
        body, more = (gzip.compress(result), b"content-encoding: gzip\r\n") if packed else (result, b"")
        connection.sendall(b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (more, len(body), body))

    asked = b"<Delete><Object><Key>mine</Key></Object><Object><Key>theirs</Key></Object></Delete>"
    with bad_upstream(delete) as upstream:
        endpoint = upstream.endpoint
        server = server_with(
            UpstreamSettings(service="s3", endpoint=endpoint, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY)
        )
        statement = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::web/mine"}
        user = server.new_user("000000000000", "u", json.dumps({"Version": "2012-10-17", "Statement": statement}))
        headers = headers_for(server.port, user, "POST", "/web?delete", sha256(asked).hexdigest())
        answer = server.send("POST", "/web?delete", {**headers, "accept-encoding": "gzip"}, asked)
    assert answer.status == 200, answer.text
    assert b"<Deleted><Key>mine</Key></Deleted>" in answer.body
    assert b"<Error><Key>theirs</Key>" in answer.body


def test_an_answer_that_breaks_off_is_not_made_whole(server_with: ServerWith, s3_server: S3Server) -> None:
    def half(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")

    with bad_upstream(half) as upstream:
        server = server_with(s3_upstream(s3_server, endpoint=upstream.endpoint))
        headers = headers_for(server.port, user_of(server), "GET", "/web/k", UNSIGNED)
        with pytest.raises(http.client.IncompleteRead) as caught:
            server.send("GET", "/web/k", headers)
        assert caught.value.partial == b"half"


def test_what_the_client_does_not_want_any_more_is_not_fetched(server_with: ServerWith, s3_server: S3Server) -> None:
    stopped = threading.Event()

    def endless(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:
            stopped.set()

    with bad_upstream(endless) as upstream:
        server = server_with(s3_upstream(s3_server, endpoint=upstream.endpoint))
        headers = headers_for(server.port, user_of(server), "GET", "/web/k", UNSIGNED)
        connection = conversation(server.port, raw_head("GET", "/web/k", headers))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert not stopped.is_set()
        connection.close()
        assert stopped.wait(20)


def test_every_value_of_a_list_reaches_the_upstream(server_with: ServerWith) -> None:
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(head_of(connection))
        connection.sendall(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")

    function = "arn:aws:lambda:us-east-1:000000000000:function:f"
    with bad_upstream(listen) as upstream:
        endpoint = upstream.endpoint
        server = server_with(
            UpstreamSettings(service="lambda", endpoint=endpoint, access_key_id="k", secret_access_key="s")
        )
        keys = user_of(server)
        server.client("lambda", keys).untag_resource(Resource=function, TagKeys=["one", "a b", "three"])
        path = "/2015-03-31/functions?MaxItems=1&MaxItems=2"
        server.send("GET", path, server.signed(keys, "lambda", {}, b"", method="GET", path=path))
    untagged, listed = [head.partition(b"\r\n")[0] for head in heard]
    assert untagged.endswith(b"?tagKeys=one&tagKeys=a%20b&tagKeys=three HTTP/1.1")
    assert listed == b"GET /2015-03-31/functions?MaxItems=2 HTTP/1.1"


def test_headers_that_are_parameters_reach_the_upstream(server_with: ServerWith) -> None:
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(head_of(connection))
        connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    with bad_upstream(listen) as upstream:
        endpoint = upstream.endpoint
        server = server_with(
            UpstreamSettings(service="appconfig", endpoint=endpoint, access_key_id="k", secret_access_key="s")
        )
        server.client("appconfig", user_of(server)).create_hosted_configuration_version(
            ApplicationId="abcdefg",
            ConfigurationProfileId="hijklmn",
            Content=b"{}",
            ContentType="application/json",
            Description="the first",
            LatestVersionNumber=7,
        )
    lines = heard[0].lower().split(b"\r\n")
    assert {b"description: the first", b"latest-version-number: 7"} <= set(lines)


def test_nothing_of_the_caller_reaches_the_upstream(server_with: ServerWith, s3_server: S3Server) -> None:
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(head_of(connection))
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: a=b\r\nserver: x\r\nconnection: close\r\n"
            b"x-amz-request-id: theirs\r\nx-other: kept\r\n\r\n"
        )

    with bad_upstream(listen) as upstream:
        server = server_with(s3_upstream(s3_server, endpoint=upstream.endpoint))
        keys = user_of(server)
        more = {
            "cookie": "session=1",
            "proxy_authorization": "x",
            "x_forwarded_for": "1.2.3.4",
            "x_minio_extract": "true",
        }
        named = {name.replace("_", "-"): value for name, value in more.items()}
        headers = headers_for(server.port, keys, "GET", "/web/k?accessKey=1&versionId=7", UNSIGNED)
        answer = server.send("GET", "/web/k?accessKey=1&versionId=7", {**headers, **named})
    text = heard[0].decode().lower()
    assert text.startswith("get /web/k?versionid=7 http/1.1\r\n")
    assert keys.key.lower() not in text
    assert f"credential={ACCESS_KEY}/" in text
    assert f"host: 127.0.0.1:{upstream.port}\r\n" in text
    assert not [name for name in named if name in text]
    assert answer.headers["x-other"] == "kept"
    assert answer.headers["x-amz-request-id"] != "theirs"
    assert not {"set-cookie", "server"} & answer.headers.keys()
