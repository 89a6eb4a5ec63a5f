"""What clients, tools and attackers send that is not right."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.service.registry.harness import (
    OCI_INDEX,
    OCI_MANIFEST,
    Harness,
    descriptor,
    digest_of,
    exchange,
    image_manifest,
    index_manifest,
    running_registry,
)

from roadstead.services.ecr.errors import InvalidParameterException


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """SQLite alone: what is refused here is refused before a database is asked, or by questions that other tests put to both."""
    return f"sqlite:///{tmp_path / 'roadstead.db'}"


async def _visible(registry: Harness, digest: str, name: str = "web") -> bool:
    return (await registry.http("HEAD", f"/v2/{name}/blobs/{digest}")).status == 200


async def test_wrong_digests(web: Harness) -> None:
    wrong = digest_of(b"something else")
    answer = await web.http("POST", f"/v2/web/blobs/uploads/?digest={wrong}", b"content")
    assert (answer.status, answer.error) == (400, "DIGEST_INVALID")
    place = (await web.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    for bad in (wrong, "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "", "SHA256:" + "a" * 64):
        answer = await web.http("PUT", f"{place}?digest={bad}", b"")
        assert (answer.status, answer.error) == (400, "DIGEST_INVALID"), bad
    assert (await web.http("PUT", place, b"content")).error == "DIGEST_INVALID"
    for content in (b"content", b"something else"):
        assert not await _visible(web, digest_of(content))
    assert not await _visible(web, "sha256:" + "0" * 64)
    assert (await web.http("GET", "/v2/web/blobs/sha256:short")).error == "DIGEST_INVALID"


async def test_truncated_upload_leaves_no_blob_and_can_go_on(web: Harness) -> None:
    content = os.urandom(300_000)
    digest = digest_of(content)
    token = await web.token()
    head = f"POST /v2/web/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n"
    await _send_and_leave(web.port, (head + f"Content-Length: {len(content)}\r\n\r\n").encode() + content[:200_000])
    assert not await _visible(web, digest)
    await _eventually(lambda: _no_uploads(web))

    place = (await web.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    head = (
        f"PATCH {place} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    await _send_and_leave(web.port, head.encode() + content[:200_000])

    async def received() -> bool:
        return (await web.http("GET", place)).headers["range"] == "0-199999"

    await _eventually(received)
    rest = await web.http("PUT", f"{place}?digest={digest}", content[200_000:], {"Content-Range": "200000-299999"})
    assert rest.status == 201
    assert (await web.http("GET", f"/v2/web/blobs/{digest}")).body == content


async def test_body_that_does_not_fit_its_range(web: Harness) -> None:
    place = (await web.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    answer = await web.http("PATCH", place, b"abc", {"Content-Range": "0-9"})
    assert (answer.status, answer.error) == (400, "SIZE_INVALID")
    token = await web.token()
    head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\nContent-Range: 0-2\r\n"
    body = "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    answer = await exchange(web.port, (head + body).encode())
    assert (answer.status, answer.error) == (413, "SIZE_INVALID")


async def test_layers_over_the_limit(tmp_path: Path) -> None:
    async with running_registry(tmp_path, max_layer_bytes=1000) as registry:
        await registry.create_repository("web")
        large = b"x" * 1001
        answer = await registry.http("POST", f"/v2/web/blobs/uploads/?digest={digest_of(large)}", large)
        assert (answer.status, answer.error) == (413, "SIZE_INVALID")
        place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
        assert (await registry.http("PATCH", place, b"x" * 600)).status == 202
        assert (await registry.http("PATCH", place, b"x" * 600)).status == 413
        assert (await registry.http("GET", place)).headers["range"] == "0-599"
        await registry.push_blob("web", b"x" * 1000)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../etc/manifests/latest",
        "/v2/web/../../etc/blobs/sha256:" + "a" * 64,
        "/v2/%2e%2e/%2e%2e/etc/passwd/tags/list",
        "/v2/a%00b/tags/list",
        "/v2/Web/tags/list",
        "/v2/w\u00e9b/tags/list",
        "/v2/%F0%9F%9A%A2/tags/list",
        "/v2/" + "a" * 257 + "/tags/list",
        "/v2/web//tags/list",
        "/v2/-web/tags/list",
        "/v2/web/manifests/..%2f..%2fetc%2fpasswd",
        "/v2/web/manifests/" + "t" * 129,
        "/v2/web/manifests/%C3%A9",
        "/v2/web/blobs/uploads/..%2f..%2fsecret",
        "/v2/web/blobs/..%2f..%2fsecret",
        "/v2/_catalog/x",
        "/v2/web",
        "/v2",
    ],
)
async def test_names_that_are_none(web: Harness, path: str) -> None:
    encoded = "".join(c if ord(c) < 128 else "".join(f"%{b:02X}" for b in c.encode()) for c in path)
    answer = await web.http("GET", encoded)
    assert answer.status in ((200,) if path == "/v2" else (400, 404)), answer
    assert b"root:" not in answer.body


@pytest.mark.parametrize("tag", ["..", ".web", "-web", "t" * 129, "%C3%A9", "a%2fb", "a%20b", "%00"])
async def test_tags_that_are_none(web: Harness, tag: str) -> None:
    config = b"{}"
    await web.push_blob("web", config)
    answer = await web.push_manifest("web", tag, image_manifest(config, []))
    assert answer.status in (400, 404), answer
    assert (await web.http("GET", "/v2/web/tags/list")).json["tags"] in (None, [])
    with pytest.raises(InvalidParameterException):
        await web.api(
            "PutImage",
            {"repositoryName": "web", "imageManifest": image_manifest(config, []).decode(), "imageTag": unquote(tag)},
        )


async def test_manifests_that_name_what_is_not_there(web: Harness) -> None:
    await web.create_repository("other")
    config, layer = b"{}", b"a layer"
    await web.push_blob("web", config)
    await web.push_blob("other", layer)
    manifest = image_manifest(config, [layer])
    refused = await web.push_manifest("web", "latest", manifest)
    assert (refused.status, refused.error) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert digest_of(layer) in refused.body.decode()
    assert "required for pushing image into repository with name 'web'" in refused.body.decode()
    index = await web.push_manifest("web", "latest", index_manifest([manifest]))
    assert (index.status, index.error) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert (await web.http("GET", "/v2/web/manifests/latest")).error == "MANIFEST_UNKNOWN"
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest_of(b"elsewhere"),
        "size": 9,
        "urls": ["https://example.com/layer"],
    }
    manifest = json.loads(image_manifest(config, []))
    manifest["layers"] = [foreign]
    assert (await web.push_manifest("web", "latest", json.dumps(manifest).encode())).status == 201


async def test_lists_of_lists_of_lists(web: Harness) -> None:
    """As deep as somebody likes: nothing here follows a list further than to its own entries."""
    await web.push_blob("web", b"{}")
    chain = [image_manifest(b"{}", [])]
    assert (await web.push_manifest("web", "0", chain[0])).status == 201
    for depth in range(1, 60):
        child = chain[-1]
        described = {"mediaType": json.loads(child)["mediaType"], "digest": digest_of(child), "size": len(child)}
        chain.append(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described]}).encode())
        assert (await web.push_manifest("web", str(depth), chain[-1])).status == 201
    assert (await web.http("GET", "/v2/web/manifests/59")).body == chain[-1]
    assert (await web.http("DELETE", f"/v2/web/manifests/{digest_of(chain[30])}")).status == 409
    for manifest in reversed(chain):
        assert (await web.http("DELETE", f"/v2/web/manifests/{digest_of(manifest)}")).status == 202
    itself = {"mediaType": OCI_INDEX, "digest": digest_of(b"?"), "size": 1}
    loop = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [itself] * 1000}).encode()
    assert (await web.push_manifest("web", "loop", loop)).error == "MANIFEST_BLOB_UNKNOWN"


async def test_manifests_that_are_none(web: Harness) -> None:
    await web.push_blob("web", b"{}")
    good = json.loads(image_manifest(b"{}", []))
    bad = [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        json.dumps({**good, "mediaType": OCI_INDEX}).encode(),
        json.dumps({**good, "manifests": []}).encode(),
        json.dumps({**good, "config": {"digest": "sha256:..", "size": 1}}).encode(),
        json.dumps({**good, "config": {"digest": "../../etc/passwd", "size": 1}}).encode(),
        json.dumps({**good, "schemaVersion": 1}).encode(),
        json.dumps({**good, "layers": [descriptor("x", b"{}") | {"size": -1}]}).encode(),
    ]
    for content in bad:
        answer = await web.http("PUT", "/v2/web/manifests/t", content, {"Content-Type": OCI_MANIFEST})
        assert (answer.status, answer.error) == (400, "MANIFEST_INVALID"), content
    answer = await web.http("PUT", "/v2/web/manifests/t", json.dumps(good).encode(), {"Content-Type": "text/plain"})
    assert answer.error == "MANIFEST_INVALID"
    wrong = digest_of(b"?")
    answer = await web.http("PUT", f"/v2/web/manifests/{wrong}", json.dumps(good).encode())
    assert (answer.status, answer.error) == (400, "DIGEST_INVALID")


async def test_megabytes_of_brackets_cost_bounded_time(web: Harness) -> None:
    mebibytes = 4 * 1024 * 1024
    good = image_manifest(b"{}", [])
    await web.push_blob("web", b"{}")
    hostile = [
        b"[" * mebibytes,
        b'{"a":' * (mebibytes // 5),
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"layers":[' + b"{}," * (mebibytes // 4) + b"{}]}",
    ]
    for content in hostile:
        started = time.monotonic()
        answer = await web.http("PUT", "/v2/web/manifests/t", content, {"Content-Type": OCI_MANIFEST})
        assert (answer.status, answer.error) == (400, "MANIFEST_INVALID")
        assert time.monotonic() - started < 10
    padded = good + b" " * (mebibytes - len(good))
    assert (await web.push_manifest("web", "large", padded)).status == 201
    assert (await web.http("GET", "/v2/web/manifests/large")).body == padded
    answer = await web.push_manifest("web", "larger", padded + b" ")
    assert (answer.status, answer.error) == (413, "SIZE_INVALID")


async def test_unknown_repositories(web: Harness) -> None:
    digest = digest_of(b"")
    for method, path in [
        ("GET", "/v2/none/manifests/latest"),
        ("GET", f"/v2/none/blobs/{digest}"),
        ("GET", "/v2/none/tags/list"),
        ("GET", f"/v2/none/referrers/{digest}"),
        ("POST", "/v2/none/blobs/uploads/"),
        ("POST", f"/v2/none/blobs/uploads/?digest={digest}"),
        ("PUT", "/v2/none/manifests/latest"),
    ]:
        answer = await web.http(method, path)
        assert (answer.status, answer.error) == (404, "NAME_UNKNOWN"), path
    assert "The repository with name 'none' does not exist in the registry" in answer.body.decode()
    for method, path in [("PUT", "/v2/web/tags/list"), ("POST", "/v2/"), ("PATCH", "/v2/web/manifests/latest")]:
        assert (await web.http(method, path)).status == 405


async def test_content_that_was_lost_is_an_error_not_an_empty_answer(web: Harness) -> None:
    large = b"x" * 3_000_000
    for content in (b"small", large):
        digest = await web.push_blob("web", content)
        await web.blobs.delete([await web.location("web", digest)])
        answer = await web.http("GET", f"/v2/web/blobs/{digest}")
        assert (answer.status, answer.error) == (404, "BLOB_UNKNOWN")


async def _send_and_leave(port: int, data: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _no_uploads(registry: Harness) -> bool:
    root = registry.deployment.data_dir / "blobs" / "uploads"
    return not list(root.iterdir())


async def _eventually(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.02)
