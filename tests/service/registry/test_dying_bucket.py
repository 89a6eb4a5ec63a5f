"""The S3 server dies under a server of ours, in the middle of pushes and pulls, by the registry and by the API; and it comes back."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from tests.service.ecr.pushing import PART, WEB, Push, is_served_whole
from tests.service.registry.harness import digest_of
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server, running_again, running_s3
from tests.support.server import refusal
from tests.support.server_process import ServerProcess, server_process
from tests.support.waiting import until

T = TypeVar("T")
KEYS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_CONFIG_FILE": "/dev/null"}


@dataclass
class Both:
    """A server of ours with a repository, and the S3 server that has its content."""

    s3: S3Server
    server: ServerProcess
    folder: Path
    ecr: Any
    token: str

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, str, bytes]:
        """Status, location and body of a request to the registry."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)) as connection:
            connection.request(method, path, body, {"Authorization": f"Basic {self.token}"})
            answer = connection.getresponse()
            return answer.status, answer.getheader("location", ""), answer.read()

    def dies_during(self, call: Callable[[], T], unread: int = 0) -> T:
        """What a call returns while the S3 server does not go on, has more than `unread` bytes of it, and is killed then."""
        os.kill(self.s3.process.pid, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as thread:
            under_way = thread.submit(call)
            until(lambda: _unread(self.s3.port) > unread, "a request is with the S3 server")
            assert not under_way.done()
            self.dies()
            return under_way.result(60)

    def dies(self) -> None:
        self.s3.process.kill()
        self.s3.process.wait()

    def is_back(self) -> Any:
        """The context in which the S3 server runs again."""
        return running_again(self.s3, self.folder)


def _unread(port: int) -> int:
    """The most bytes that wait in a connection for the server that listens on `port`."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    mine = [line.split() for line in lines if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01"]
    return max((int(line[4].partition(":")[2], 16) for line in mine), default=0)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with running_s3(tmp_path / "s3") as s3:
        s3.client().create_bucket(Bucket="mortal")
        url = f"s3://mortal/registry?endpoint={s3.endpoint}&region=us-east-1"
        with server_process(tmp_path / "data", options=("--blobs", url), environment=KEYS) as server:
            server.start()
            ecr = server.client("ecr")
            ecr.create_repository(**WEB)
            token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
            yield Both(s3, server, tmp_path, ecr, token)


@pytest.mark.parametrize(
    ("length", "unread"),
    [
        pytest.param(7 << 20, 65536, id="within the bytes"),
        pytest.param(PART, 0, id="at the beginning of a multipart upload"),
    ],
)
def test_dies_while_it_gets_a_part_of_the_api(both: Both, length: int, unread: int) -> None:
    push = Push(os.urandom(2 * PART))
    push.upload = both.ecr.initiate_layer_upload(**WEB)["uploadId"]
    part = {**WEB, "uploadId": push.upload}
    span = {"partFirstByte": 0, "partLastByte": PART - 1, "layerPartBlob": push.layer[:PART]}
    push.at = both.ecr.upload_layer_part(**part, **span)["lastByteReceived"] + 1
    end = PART + length
    span = {"partFirstByte": PART, "partLastByte": end - 1, "layerPartBlob": push.layer[PART:end]}
    refused = both.dies_during(lambda: refusal(both.ecr.upload_layer_part, **part, **span), unread)
    assert (refused.code, refused.status) == ("ServiceUnavailableException", 503)
    assert refusal(both.ecr.upload_layer_part, **part, **span).status == 503
    assert not is_served_whole(both.ecr, push.layer)
    with both.is_back():
        _ends_well(both, push)
        assert push.refusals == [], "it has what was acknowledged, and nothing of the rest"


def test_dies_while_a_layer_of_the_api_is_put_together(both: Both) -> None:
    push = Push(os.urandom(2 * PART))
    push.upload = both.ecr.initiate_layer_upload(**WEB)["uploadId"]
    for first in (0, PART):
        span = {"partFirstByte": first, "partLastByte": first + PART - 1}
        blob = push.layer[first : first + PART]
        both.ecr.upload_layer_part(**WEB, uploadId=push.upload, **span, layerPartBlob=blob)
    push.at = 2 * PART
    end = {**WEB, "uploadId": push.upload, "layerDigests": [digest_of(push.layer)]}
    refused = both.dies_during(lambda: refusal(both.ecr.complete_layer_upload, **end))
    assert (refused.code, refused.status) == ("ServiceUnavailableException", 503)
    assert not is_served_whole(both.ecr, push.layer)
    with both.is_back():
        _ends_well(both, push)
        assert push.refusals == []


def test_dies_while_a_layer_of_the_registry_is_put_together(both: Both) -> None:
    push = Push(os.urandom(2 * PART))
    _, place, _ = both.ask("POST", "/v2/web/blobs/uploads/")
    for first in (0, PART):
        assert both.ask("PATCH", place, push.layer[first : first + PART])[0] == 202
    end = f"{place}?digest={digest_of(push.layer)}"
    assert both.dies_during(lambda: both.ask("PUT", end))[0] == 503
    assert both.ask("HEAD", f"/v2/web/blobs/{digest_of(push.layer)}")[0] == 404
    with both.is_back():
        assert both.ask("PUT", end)[0] == 201
        push.done.add(digest_of(push.layer))
        _ends_well(both, push)


@pytest.mark.parametrize("way", ["registry", "layer URL"])
def test_dies_in_the_middle_of_a_download(both: Both, way: str) -> None:
    push = Push(os.urandom(7 * PART))
    push.go_on(both.ecr)
    digest = digest_of(push.layer)
    path = f"/v2/web/blobs/{digest}"
    if way == "layer URL":
        url = urlsplit(both.ecr.get_download_url_for_layer(**WEB, layerDigest=digest)["downloadUrl"])
        path = url.path
    with closing(http.client.HTTPConnection("127.0.0.1", both.server.port, timeout=60)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Basic {both.token}"})
        answer = connection.getresponse()
        assert (answer.status, answer.length) == (200, len(push.layer))
        begun = answer.read(1 << 20)
        both.dies()
        with pytest.raises(http.client.IncompleteRead) as broken:
            answer.read()
    assert push.layer.startswith(begun + broken.value.partial)
    (line,) = both.server.lines("the content of a blob is broken off")
    assert "S3" in line["error"]
    assert both.ask("GET", path)[0] == 503
    with both.is_back():
        assert both.ask("GET", path)[2] == push.layer
    assert "Traceback" not in both.server.log.read_text()


def _ends_well(both: Both, push: Push) -> None:
    push.go_on(both.ecr)
    assert all(is_served_whole(both.ecr, content) for content in push.contents)
    assert "Traceback" not in both.server.log.read_text()
