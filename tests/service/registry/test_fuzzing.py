"""Requests that nobody would make: whatever comes, the registry answers and goes on, on both databases: what one takes, the other may not."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.service.registry.harness import (
    ACCOUNT,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    OTHER_ACCOUNT,
    Harness,
    digest_of,
    exchange,
)

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
    "a%00b",
    "_logos",
    "_catalog",
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
    "?last=%00",
    "?artifactType=%00",
    "?last=" + "t" * 3000,
    "?service=%00&scope=%00",
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


BOUNDED = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

CONFIG, LAYER = b"{}", b"layer"
DIGESTS = st.sampled_from(
    [digest_of(CONFIG), digest_of(LAYER), digest_of(b"none"), "sha256:", "", "sha512:" + "a" * 128]
)
NUMBERS = st.sampled_from([0, 2, 5, -1, 2**31, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, 1.5]) | st.integers()
TEXTS = st.sampled_from(["", "a\0b", "\0", "x" * 300, "\ud83d\udea2", "Ü", OCI_LAYER]) | st.text(max_size=8)
TYPES = st.sampled_from([OCI_MANIFEST, OCI_INDEX, OCI_MANIFEST.upper(), OCI_LAYER, "application/json"]) | TEXTS
ODD = st.none() | NUMBERS | TEXTS
ANNOTATIONS = st.dictionaries(TEXTS, TEXTS, max_size=3) | ODD
DESCRIPTORS = (
    st.fixed_dictionaries(
        {"digest": DIGESTS, "size": NUMBERS},
        optional={"mediaType": TYPES, "urls": st.lists(TEXTS, max_size=2), "annotations": ANNOTATIONS, "data": TEXTS},
    )
    | ODD
)
NESTED: st.SearchStrategy[Any] = st.recursive(st.lists(DESCRIPTORS, max_size=3), lambda of: st.lists(of, max_size=2))
RIGHT = {"digest": digest_of(CONFIG), "size": len(CONFIG), "mediaType": OCI_LAYER}
MANIFESTS = st.fixed_dictionaries(
    {"schemaVersion": st.just(2) | NUMBERS},
    optional={
        "mediaType": TYPES,
        "artifactType": TEXTS,
        "config": st.just(RIGHT) | DESCRIPTORS,
        "layers": st.just([RIGHT]) | NESTED,
        "manifests": NESTED,
        "blobs": NESTED,
        "subject": st.just(RIGHT) | DESCRIPTORS,
        "annotations": ANNOTATIONS,
    },
)
NEARLY_RIGHT = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "config": st.just(RIGHT), "layers": st.just([RIGHT])},
    optional={
        "artifactType": TEXTS,
        "annotations": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "subject": st.fixed_dictionaries({"digest": st.just(digest_of(LAYER)), "size": NUMBERS}),
        "blobs": st.lists(st.fixed_dictionaries({"digest": st.just(digest_of(LAYER)), "size": NUMBERS}), max_size=3),
    },
)
"""Which the registry takes, but for one thing or another."""


@pytest.fixture
async def stocked(web: Harness) -> Harness:
    """A repository with what manifests are made of."""
    for content in (CONFIG, LAYER):
        await web.push_blob("web", content)
    return web


@BOUNDED
@given(
    manifest=NEARLY_RIGHT | MANIFESTS, kind=TYPES.filter(str.isprintable) | st.none(), tag=st.sampled_from(["v1", ""])
)
async def test_no_manifest_makes_the_registry_fail(stocked: Harness, manifest: Any, kind: str | None, tag: str) -> None:
    web, token = stocked, await stocked.token()
    content = json.dumps(manifest).encode()
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await web.http("PUT", f"/v2/web/manifests/{tag or digest_of(content)}", content, headers, token=token)
    assert answer.status < 500, (manifest, kind, answer)
    for path in ("tags/list", f"referrers/{digest_of(LAYER)}", f"manifests/{digest_of(content)}"):
        assert (await web.http("GET", f"/v2/web/{path}", token=token)).status < 500
    if answer.status == 201:
        listed = await web.api("DescribeImages", {"repositoryName": "web"})
        assert all(0 <= each["imageSizeInBytes"] < 2**63 for each in listed["imageDetails"])
        await web.api("BatchDeleteImage", {"repositoryName": "web", "imageIds": [{"imageDigest": digest_of(content)}]})


@BOUNDED
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
