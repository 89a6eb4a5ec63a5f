"""Server processes whose content is in a bucket: an upload that one begins goes on in another, and what can't work is said at the start."""

from __future__ import annotations

import base64
import http.client
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from tests.service.registry.harness import digest_of
from tests.support.postgres import PostgresServer
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server
from tests.support.server_process import ServerProcess, server_process

KEYS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_CONFIG_FILE": "/dev/null"}


def url_of(server: S3Server, bucket: str) -> str:
    return f"s3://{bucket}/registry?endpoint={server.endpoint}&region=us-east-1"


@pytest.fixture
def bucket(s3_server: S3Server, tmp_path: Path) -> str:
    name = f"shared-{sha256(str(tmp_path).encode()).hexdigest()[:16]}"
    s3_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def pair(
    postgres_server: PostgresServer, s3_server: S3Server, bucket: str, tmp_path: Path
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Two servers on one database and one bucket."""
    name = postgres_server.create_database()
    shared = {
        "database": postgres_server.url(name),
        "state": tmp_path / "state",
        "options": ("--blobs", url_of(s3_server, bucket), "--gc-grace", "7200"),
        "environment": KEYS,
    }
    with server_process(tmp_path / "a", **shared) as a, server_process(tmp_path / "b", **shared) as b:
        a.start()
        b.start()
        yield a, b
    postgres_server.drop_database(name)


def request(
    server: ServerProcess, token: str, method: str, path: str, body: bytes = b"", kind: str = ""
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Authorization": f"Basic {token}", **({"Content-Type": kind} if kind else {})}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = (answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    connection.close()
    return found


def break_off(server: ServerProcess, token: str, place: str, body: bytes) -> None:
    """Send half of a chunk, and kill the server."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("PATCH", place)
    connection.putheader("Authorization", f"Basic {token}")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[: len(body) // 2])
    server.kill()
    connection.close()


def registry(server: ServerProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "roadstead", "registry", *arguments, "--data", str(server.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_an_upload_goes_on_in_another_server(pair: tuple[ServerProcess, ServerProcess], s3_server: S3Server) -> None:
    a, b = pair
    ecr = b.client("ecr")
    ecr.create_repository(repositoryName="web")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    assert base64.b64decode(token).startswith(b"AWS:")
    layer = os.urandom(20 << 20)
    digest = f"sha256:{sha256(layer).hexdigest()}"
    status, headers, _ = request(a, token, "POST", "/v2/web/blobs/uploads/")
    place = headers["location"]
    assert status == 202
    assert request(a, token, "PATCH", place, layer[: 9 << 20])[0] == 202
    break_off(a, token, place, layer[9 << 20 :])
    status, headers, _ = request(b, token, "GET", place)
    assert (status, headers["range"]) == (204, f"0-{(9 << 20) - 1}")
    assert request(b, token, "HEAD", f"/v2/web/blobs/{digest}")[0] == 404
    status, _, text = request(b, token, "PUT", f"{place}?digest={digest}", layer[9 << 20 :])
    assert status == 201, text
    a.start()
    for server in pair:
        assert request(server, token, "GET", f"/v2/web/blobs/{digest}")[2] == layer
    checked = registry(b, "fsck")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "everything is right" in checked.stdout
    assert request(b, token, "DELETE", f"/v2/web/blobs/{digest}")[0] == 202
    collected = registry(a, "gc", "--grace", "0")
    assert collected.returncode == 0, collected.stderr
    assert request(b, token, "GET", f"/v2/web/blobs/{digest}")[0] == 404
    assert registry(b, "fsck").returncode == 0


def test_what_a_bucket_lost_is_found_and_can_be_pushed_again(
    pair: tuple[ServerProcess, ServerProcess], s3_server: S3Server, bucket: str
) -> None:
    a, b = pair
    ecr = a.client("ecr")
    ecr.create_repository(repositoryName="web")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    layer = os.urandom(1 << 20)
    digest = f"sha256:{sha256(layer).hexdigest()}"
    push = f"/v2/web/blobs/uploads/?digest={digest}"
    assert request(a, token, "POST", push, layer)[0] == 201
    s3 = s3_server.client()
    (kept,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert kept["Size"] == len(layer)
    s3.delete_object(Bucket=bucket, Key=kept["Key"])
    found = registry(b, "fsck")
    assert found.returncode == 1, found.stdout + found.stderr
    assert digest in found.stdout
    registry(b, "fsck", "--repair")
    assert request(b, token, "HEAD", f"/v2/web/blobs/{digest}")[0] == 404, "who pushes has to send it again"
    assert request(a, token, "POST", push, layer)[0] == 201
    assert request(b, token, "GET", f"/v2/web/blobs/{digest}")[2] == layer
    assert registry(b, "fsck").returncode == 0


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda layer: layer,
    "flipped": lambda layer: layer[:-1] + bytes([layer[-1] ^ 1]),
    "longer": lambda layer: layer + b"?",
    "shorter": lambda layer: layer[:-1],
    "empty": lambda _: b"",
}


def test_what_is_damaged_in_a_bucket_is_found_and_can_be_pushed_again(
    pair: tuple[ServerProcess, ServerProcess], s3_server: S3Server, bucket: str
) -> None:
    a, b = pair
    ecr = a.client("ecr")
    ecr.create_repository(repositoryName="web")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    layers = {damage: os.urandom(1 << 20) for damage in DAMAGE}
    s3, known = s3_server.client(), set[str]()
    for damage, layer in layers.items():
        assert _push(a, token, layer) == 201
        (key,) = {kept["Key"] for kept in s3.list_objects_v2(Bucket=bucket)["Contents"]} - known
        s3.put_object(Bucket=bucket, Key=key, Body=DAMAGE[damage](layer))
        known.add(key)
    for damage, layer in layers.items():
        _pull_damaged(b, token, layer, damage)
    whole = layers.pop("none")
    found = registry(b, "fsck")
    assert found.returncode == 1, found.stdout + found.stderr
    assert sorted(line for line in found.stdout.splitlines() if "Content" in line) == sorted(
        f"DamagedContent: {digest_of(layer)} (not repaired)" for layer in layers.values()
    )
    assert registry(b, "fsck", "--repair").returncode == 0
    for layer in layers.values():
        for server in pair:
            path = f"/v2/web/blobs/{digest_of(layer)}"
            assert [request(server, token, method, path)[0] for method in ("HEAD", "GET")] == [404, 404]
        assert _push(a, token, layer) == 201
    for layer in (whole, *layers.values()):
        assert request(b, token, "GET", f"/v2/web/blobs/{digest_of(layer)}")[2] == layer
    assert registry(b, "fsck").returncode == 0


def _push(server: ServerProcess, token: str, layer: bytes) -> int:
    return request(server, token, "POST", f"/v2/web/blobs/uploads/?digest={digest_of(layer)}", layer)[0]


def _pull_damaged(server: ServerProcess, token: str, layer: bytes, damage: str) -> None:
    """Nobody reads content twice, so what is stored is what comes; and the client, who knows digest and size, can tell."""
    path = f"/v2/web/blobs/{digest_of(layer)}"
    if damage == "shorter":
        with pytest.raises(http.client.IncompleteRead):
            request(server, token, "GET", path)
        (line,) = server.lines("the content of a blob is broken off")
        assert line["path"] == path
        return
    status, headers, body = request(server, token, "GET", path)
    if damage == "empty":
        assert status == 503
        return
    assert (status, headers["docker-content-digest"], len(body)) == (200, digest_of(layer), len(layer))
    assert (digest_of(body) == digest_of(layer)) == (damage in ("none", "longer"))


@pytest.mark.parametrize(
    ("url", "keys", "says"),
    [
        ("s3://nowhere/x?endpoint=ENDPOINT&region=us-east-1", KEYS, "no access to"),
        ("s3://nowhere/x?endpoint=http://127.0.0.1:9&region=us-east-1", KEYS, "no access to"),
        ("s3://nowhere/x?profile=of-nobody", KEYS, "of-nobody"),
        ("s3://nowhere/x?colour=blue", KEYS, "colour"),
        ("gs://nowhere/x", KEYS, "s3://BUCKET/PREFIX"),
    ],
)
def test_what_can_not_work_is_said_at_the_start(
    tmp_path: Path, s3_server: S3Server, url: str, keys: dict[str, str], says: str
) -> None:
    where = url.replace("ENDPOINT", s3_server.endpoint)
    with server_process(tmp_path / "data", options=("--blobs", where), environment=keys) as server:
        server.spawn()
        assert server.exit_status(60) != 0
        assert says in server.log.read_text()


def test_commands_without_a_server_say_so(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        server.start()
        server.kill()
        failed = registry(server, "fsck")
    assert failed.returncode == 1
    assert "no server answers" in failed.stderr
