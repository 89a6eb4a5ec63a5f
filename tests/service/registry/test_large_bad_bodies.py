"""Bad chunks that are so large that a thread would pass them on: they are refused unread, and the client still reads why.

`test_bad_input` and `test_push_and_pull` have the same in small.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import pytest
from tests.service.registry.harness import Answer, Harness, digest_of, running_registry

from roadstead.server.receiving import SHORTEST

MIB = 1024 * 1024
LIMIT = 3 * MIB
LARGE = 4 * SHORTEST


@pytest.fixture
async def web(tmp_path: Path) -> AsyncGenerator[Harness]:
    """A registry on SQLite, with layers of three MiB at most: bodies are refused before a database is asked for more."""
    async with running_registry(tmp_path, max_layer_bytes=LIMIT) as registry:
        await registry.create_repository("web")
        yield registry


async def send(web: Harness, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """As clients do that send all before they read anything, on a connection that they would keep."""
    sent = {"Host": "x", "Authorization": f"Basic {await web.token()}", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in {**sent, **(headers or {})}.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.transport.set_write_buffer_limits(0)
    try:
        async with asyncio.timeout(30):
            writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
            await writer.drain()
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(":") for line in lines[1:] if line)
            found = {name.lower(): value.strip() for name, _, value in pairs}
            content = await reader.readexactly(int(found.get("content-length", "0")))
            if found.get("connection") == "close":
                assert await reader.read() == b"", "nothing follows, and no reset"
    finally:
        writer.close()
    return Answer(int(lines[0].split()[1]), found, content, lines)


def refused_unread(answer: Answer) -> tuple[int, str]:
    """The status and the code of a refusal after which the connection is closed."""
    assert answer.headers["connection"] == "close", answer
    return answer.status, answer.error


async def begun(web: Harness) -> str:
    return (await web.http("POST", "/v2/web/blobs/uploads/")).headers["location"]


async def received(web: Harness, place: str) -> str:
    return (await web.http("GET", place)).headers["range"]


async def test_layers_over_the_limit(web: Harness) -> None:
    large = os.urandom(LIMIT + 1)
    whole = f"/v2/web/blobs/uploads/?digest={digest_of(large)}"
    assert refused_unread(await send(web, "POST", whole, large)) == (413, "SIZE_INVALID")
    uploads = web.deployment.data_dir / "blobs" / "uploads"
    assert list(uploads.iterdir()) == [], "nothing is left of it"

    place = await begun(web)
    first = await send(web, "PATCH", place, large[: 2 * MIB])
    assert (first.status, "connection" in first.headers) == (202, False)
    rest = large[2 * MIB :]
    for headers in ({}, {"Content-Range": f"{2 * MIB}-{LIMIT}"}):
        assert refused_unread(await send(web, "PATCH", place, rest, headers)) == (413, "SIZE_INVALID")
        assert await received(web, place) == f"0-{2 * MIB - 1}"
    fits = digest_of(large[:LIMIT])
    done = await send(web, "PUT", f"{place}?digest={fits}", rest[:-1])
    assert (done.status, "connection" in done.headers) == (201, False)
    assert (await web.http("GET", f"/v2/web/blobs/{fits}")).body == large[:LIMIT]


@pytest.mark.parametrize(
    ("span", "refusal"),
    [
        (f"0-{LARGE - 1}", (416, "BLOB_UPLOAD_INVALID")),
        (f"{LARGE + 1}-{2 * LARGE}", (416, "BLOB_UPLOAD_INVALID")),
        (f"{LARGE - 1}-{2 * LARGE - 2}", (416, "BLOB_UPLOAD_INVALID")),
        (f"{2 * LARGE}-{LARGE}", (416, "BLOB_UPLOAD_INVALID")),
        (f"bytes {LARGE}-{2 * LARGE - 1}/*", (416, "BLOB_UPLOAD_INVALID")),
        (f"{LARGE}-{2 * LARGE - 2}", (400, "SIZE_INVALID")),
        (f"{LARGE}-{2 * LARGE}", (400, "SIZE_INVALID")),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_chunks_out_of_order(web: Harness, method: str, span: str, refusal: tuple[int, str]) -> None:
    content = os.urandom(2 * LARGE)
    place, digest = await begun(web), digest_of(content)
    first = await send(web, "PATCH", place, content[:LARGE], {"Content-Range": f"0-{LARGE - 1}"})
    assert (first.status, first.headers["range"]) == (202, f"0-{LARGE - 1}")

    path = place if method == "PATCH" else f"{place}?digest={digest}"
    refused = await send(web, method, path, content[LARGE:], {"Content-Range": span})
    assert refused_unread(refused) == refusal
    if refused.status == 416:
        assert (refused.headers["location"], refused.headers["range"]) == (place, f"0-{LARGE - 1}")
    assert await received(web, place) == f"0-{LARGE - 1}", "nothing of it was kept"

    right = {"Content-Range": f"{LARGE}-{2 * LARGE - 1}"}
    assert (await send(web, "PUT", f"{place}?digest={digest}", content[LARGE:], right)).status == 201
    assert (await web.http("GET", f"/v2/web/blobs/{digest}")).body == content


async def test_the_same_chunk_twice(web: Harness) -> None:
    """At once, as a client repeats it that has lost patience: one is taken, and the other one learns where to go on."""
    content = os.urandom(LARGE)
    place, span = await begun(web), {"Content-Range": f"0-{LARGE - 1}"}
    answers = await asyncio.gather(*(send(web, "PATCH", place, content, span) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [202, 416, 416, 416]
    for answer in answers:
        assert answer.headers["range"] == f"0-{LARGE - 1}"
        assert (answer.headers.get("connection") == "close") == (answer.status == 416)
    assert (await web.http("PUT", f"{place}?digest={digest_of(content)}")).status == 201


async def test_bodies_for_what_is_not_there(web: Harness) -> None:
    content = os.urandom(LARGE)
    place = await begun(web)
    nobody = {"Authorization": "Basic bm9ib2R5Om5vbmU="}
    for method, path, headers, refusal in [
        ("PATCH", place[:-8] + "00000000", {}, (404, "BLOB_UPLOAD_UNKNOWN")),
        ("POST", f"/v2/none/blobs/uploads/?digest={digest_of(content)}", {}, (404, "NAME_UNKNOWN")),
        ("POST", "/v2/web/blobs/uploads/?digest=sha256:abc", {}, (400, "DIGEST_INVALID")),
        ("PUT", f"{place}?digest=sha256:abc", {}, (400, "DIGEST_INVALID")),
        ("PATCH", place, nobody, (401, "UNAUTHORIZED")),
    ]:
        assert refused_unread(await send(web, method, path, content, headers)) == refusal, path
    assert (await send(web, "PATCH", place, content)).status == 202
