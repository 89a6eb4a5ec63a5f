"""Requests that nobody would make: whatever comes, the registry answers and goes on."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.service.registry.harness import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Harness,
    digest_of,
    exchange,
)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """SQLite alone: what is refused here is refused before a database is asked, or by questions that other tests put to both."""
    return f"sqlite:///{tmp_path / 'roadstead.db'}"


NAMES = [
    "v2",
    "web",
    "manifests",
    "blobs",
    "uploads",
    "tags",
    "list",
    "referrers",
    "latest",
    "_layers",
    "_token",
    "..",
    "",
    digest_of(b"layer of layer"),
    "sha256:",
    "%00",
    "%ff",
    "a" * 300,
    "%2e%2e",
    "%C3%BC",
    "UPLOAD",
]
PARTS = st.sampled_from(NAMES)
QUERIES = [
    "",
    "?n=1&last=",
    "?digest=sha256:zz",
    "?mount=x&from=y",
    "?ns=%00",
    "?%ff=%ff",
    "?" + "a=1&" * 200,
    "?tag=%0a",
    f"?digest={digest_of(b'{}')}",
    f"?mount={digest_of(b'layer of layer')}&from=web",
    "?artifactType=%ff&last=x",
    "?n=99999999999",
]
HEADERS = [
    ("Range", "bytes=9-1"),
    ("Range", "bytes=0-0"),
    ("Content-Range", "0-18446744073709551616"),
    ("Content-Range", "0-1"),
    ("Content-Type", "\u00ff"),
    ("If-None-Match", "*"),
    ("If-Range", '"x"'),
    ("Accept", "x" * 2000),
    ("X", "y"),
]
HOSTS = [
    "x",
    "x",
    "public.ecr.aws",
    f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
    f"{OTHER_ACCOUNT}.dkr.ecr.us-east-1.localhost",
    "[",
]
BODIES = [b"", b"{}", b"[" * 5000, b"\0" * 100, b'{"schemaVersion":2,"config":{"digest":1}}']


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]),
    parts=st.lists(PARTS | st.from_regex(r"[ -~]{0,20}", fullmatch=True).map(quote), max_size=6),
    query=st.sampled_from(QUERIES) | st.from_regex(r"\?[!-~]{0,60}", fullmatch=True),
    host=st.sampled_from(HOSTS),
    sent=st.lists(st.sampled_from(HEADERS), max_size=2),
    body=st.sampled_from(BODIES) | st.binary(max_size=200),
)
async def test_no_request_makes_the_registry_fail(
    web: Harness, method: str, parts: list[str], query: str, host: str, sent: list[tuple[str, str]], body: bytes
) -> None:
    token = await web.token()
    if (
        await web.http("HEAD", "/v2/web/manifests/latest", token=token)
    ).status == 404:  # at first, and when it was deleted
        await web.push_image("web", "latest")
    upload = (await web.http("POST", "/v2/web/blobs/uploads/", token=token)).headers["location"].rsplit("/", 1)[1]
    target = ("/v2/" + "/".join(parts)).replace("UPLOAD", upload) + query
    head = "".join(f"{name}: {value}\r\n" for name, value in sent)
    lines = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {token}\r\nConnection: close\r\n{head}"
    answer = await exchange(web.port, f"{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)
    assert answer.status < 500, (method, target, host, sent, answer)
