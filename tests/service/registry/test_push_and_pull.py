from __future__ import annotations

from tests.service.registry.harness import OCI_MANIFEST, Harness, digest_of, image_manifest


async def test_an_image_goes_in_and_comes_out(registry: Harness) -> None:
    await registry.create_repository("web")
    config, layer = b'{"os":"linux"}', b"l" * 5_000_000
    await registry.push_blob("web", config)
    await registry.push_blob("web", layer)
    manifest = image_manifest(config, [layer])
    pushed = await registry.push_manifest("web", "latest", manifest)
    assert pushed.status == 201
    assert pushed.headers["location"] == f"/v2/web/manifests/{digest_of(manifest)}"

    for reference in ("latest", digest_of(manifest)):
        pulled = await registry.http("GET", f"/v2/web/manifests/{reference}")
        assert (pulled.status, pulled.body) == (200, manifest)
        assert pulled.headers["content-type"] == OCI_MANIFEST
        assert pulled.headers["docker-content-digest"] == digest_of(manifest)
        assert pulled.headers["docker-distribution-api-version"] == "registry/2.0"
    blob = await registry.http("GET", f"/v2/web/blobs/{digest_of(layer)}")
    assert (blob.status, blob.body) == (200, layer)


async def test_head_is_get_without_a_body(registry: Harness) -> None:
    await registry.create_repository("web")
    digest = await registry.push_image("web", "latest")
    layer = digest_of(b"layer of layer")
    for path in (f"/v2/web/manifests/{digest}", "/v2/web/manifests/latest", f"/v2/web/blobs/{layer}"):
        got, head = await registry.http("GET", path), await registry.http("HEAD", path)
        assert head.status == 200
        assert head.body == b""
        names = ("content-length", "content-type", "docker-content-digest", "etag")
        assert {n: head.headers[n] for n in names} == {n: got.headers[n] for n in names}


async def test_what_the_client_has_is_not_sent_again(registry: Harness) -> None:
    await registry.create_repository("web")
    await registry.push_image("web", "latest")
    for path in ("/v2/web/manifests/latest", f"/v2/web/blobs/{digest_of(b'layer of layer')}"):
        etag = (await registry.http("HEAD", path)).headers["etag"]
        for method in ("GET", "HEAD"):
            for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
                answer = await registry.http(method, path, headers={"If-None-Match": given})
                assert (answer.status, answer.body) == (304, b""), given
            for given in ('"x"', etag.strip('"'), f"{etag[:-1]}0{etag[-1]}", ""):
                answer = await registry.http(method, path, headers={"If-None-Match": given})
                assert answer.status == 200, given


async def test_upload_in_chunks(registry: Harness) -> None:
    await registry.create_repository("web")
    content = bytes(range(256)) * 40
    begun = await registry.http("POST", "/v2/web/blobs/uploads/")
    assert begun.status == 202
    place = begun.headers["location"]
    first = await registry.http("PATCH", place, content[:4000], {"Content-Range": "0-3999"})
    assert (first.status, first.headers["range"]) == (202, "0-3999")

    for wrong in ("0-3999", "4001-5000", "5000-4000", "bytes 4000-4999/*"):
        body = b"x" * 1000
        refused = await registry.http("PATCH", place, body, {"Content-Range": wrong, "Content-Length": "1000"})
        assert refused.status in (400, 416), wrong
    status = await registry.http("GET", place)
    assert (status.status, status.headers["range"]) == (204, "0-3999")

    digest = digest_of(content)
    early = await registry.http("PUT", f"{place}?digest={digest}", content[8000:], {"Content-Range": "8000-10239"})
    assert early.status == 416
    assert (await registry.http("PATCH", place, content[4000:8000])).headers["range"] == "0-7999"
    done = await registry.http("PUT", f"{place}?digest={digest}", content[8000:], {"Content-Range": "8000-10239"})
    assert (done.status, done.headers["location"]) == (201, f"/v2/web/blobs/{digest}")
    assert (await registry.http("GET", f"/v2/web/blobs/{digest}")).body == content
    assert (await registry.http("GET", place)).status == 404


async def test_ranges_of_a_blob(registry: Harness) -> None:
    await registry.create_repository("web")
    content = bytes(range(250)) * 8
    digest = await registry.push_blob("web", content)
    cases = {
        "bytes=0-0": (206, content[:1], "bytes 0-0/2000"),
        "bytes=500-999": (206, content[500:1000], "bytes 500-999/2000"),
        "bytes=1990-": (206, content[1990:], "bytes 1990-1999/2000"),
        "bytes=-5": (206, content[-5:], "bytes 1995-1999/2000"),
        "bytes=1500-9999": (206, content[1500:], "bytes 1500-1999/2000"),
        "bytes=2000-": (416, None, "bytes */2000"),
        "bytes=5-1": (416, None, "bytes */2000"),
        "bytes=-0": (416, None, "bytes */2000"),
        "lines=1-2": (200, content, None),
        "bytes=0-1,4-5": (200, content, None),
        "bytes=x": (200, content, None),
    }
    for header, (status, body, content_range) in cases.items():
        answer = await registry.http("GET", f"/v2/web/blobs/{digest}", headers={"Range": header})
        assert answer.status == status, header
        assert answer.headers.get("content-range") == content_range
        assert body is None or answer.body == body
    path = f"/v2/web/blobs/{digest}"
    etag = (await registry.http("HEAD", path)).headers["etag"]
    for given, status in ((etag, 206), ('"x"', 200)):
        answer = await registry.http("GET", path, headers={"Range": "bytes=0-0", "If-Range": given})
        assert (answer.status, answer.body) == (status, content if status == 200 else content[:1])


async def test_an_empty_blob_and_a_sha512_digest(registry: Harness) -> None:
    from hashlib import sha512

    await registry.create_repository("web")
    empty = await registry.push_blob("web", b"")
    assert (await registry.http("GET", f"/v2/web/blobs/{empty}")).body == b""
    content = b"other algorithm"
    digest = "sha512:" + sha512(content).hexdigest()
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    done = await registry.http("PUT", f"{place}?digest={digest}", content)
    assert (done.status, done.headers["docker-content-digest"]) == (201, digest)
    assert (await registry.http("GET", f"/v2/web/blobs/{digest}")).body == content
    assert (await registry.http("HEAD", f"/v2/web/blobs/{digest_of(content)}")).status == 404


async def test_streamed_upload_of_unknown_length(registry: Harness) -> None:
    await registry.create_repository("web")
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    chunked = b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
    from tests.service.registry.harness import exchange

    head = f"PATCH {place} HTTP/1.1\r\nHost: localhost:{registry.port}\r\nAuthorization: Basic {await registry.token()}\r\n"
    answer = await exchange(
        registry.port, (head + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n").encode() + chunked
    )
    assert (answer.status, answer.headers["range"]) == (202, "0-11")
    digest = digest_of(b"hello, world")
    assert (await registry.http("PUT", f"{place}?digest={digest}")).status == 201


async def test_cancelled_upload_is_gone(registry: Harness) -> None:
    await registry.create_repository("web")
    place = (await registry.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    await registry.http("PATCH", place, b"abc")
    assert (await registry.http("DELETE", place)).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = await registry.http(method, place)
        assert answer.status == 404


async def test_mount_from_another_repository(registry: Harness) -> None:
    await registry.create_repository("from")
    await registry.create_repository("to")
    digest = await registry.push_blob("from", b"shared")
    assert (await registry.http("HEAD", f"/v2/to/blobs/{digest}")).status == 404
    mounted = await registry.http("POST", f"/v2/to/blobs/uploads/?mount={digest}&from=from")
    assert (mounted.status, mounted.headers["location"]) == (201, f"/v2/to/blobs/{digest}")
    assert (await registry.http("GET", f"/v2/to/blobs/{digest}")).body == b"shared"
    for query in (f"mount={digest}", f"mount={digest}&from=nowhere", f"mount={digest_of(b'?')}&from=from"):
        assert (await registry.http("POST", f"/v2/to/blobs/uploads/?{query}")).status == 202
