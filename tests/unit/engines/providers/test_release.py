"""Downloads from a local server that behaves, and from servers that don't."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from http.server import BaseHTTPRequestHandler

import pytest
from tests.unit.engines.conftest import Bench, Server

from roadstead.engines.errors import EngineUnavailable
from roadstead.engines.progress import Event, Stage

BINARY = b"#!/bin/sh\necho tool v1.2.3\n" + bytes(range(256)) * 4096


def archive(**members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"bin/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def recipe(
    bench: Bench, url: str, body: bytes, members: str = "", architecture: str = "amd64", version: str = ""
) -> None:
    bench.recipe(
        "tool",
        f"""
        name = "tool"
        version = "1.2.3"
        files = ["tool"]
        check = {{ file = "tool", pattern = 'v([0-9.]+)' }}
        [[providers]]
        kind = "release"
        version = "{version}"
        [[providers.assets]]
        architecture = "{architecture}"
        url = "{url}"
        sha256 = "{hashlib.sha256(body).hexdigest()}"
        {members}
        """,
    )


async def refusal(bench: Bench) -> str:
    with pytest.raises(EngineUnavailable) as caught:
        await bench.catalog().ensure(["tool"], bench.events.append)
    assert (await bench.catalog().find("tool"))[0] is None
    return str(caught.value)


async def test_a_plain_file(bench: Bench, server: Server) -> None:
    recipe(bench, server.serve("/tool", BINARY), BINARY)
    engine = (await bench.catalog().ensure(["tool"], bench.events.append))["tool"]
    assert engine.path("tool").read_bytes() == BINARY
    assert (engine.provider, engine.version) == ("release", "1.2.3")
    downloading = [event for event in bench.events if event.stage is Stage.DOWNLOADING]
    assert (downloading[-1].done, downloading[-1].total) == (len(BINARY), len(BINARY))
    assert bench.events[-1].stage is Stage.READY
    await bench.catalog().ensure(["tool"])
    assert len(server.requests) == 1


async def test_a_release_that_is_not_the_recipes_version(bench: Bench, server: Server) -> None:
    recipe(bench, server.serve("/tool", BINARY), BINARY, version="1.2.9")
    for _ in range(2):  # as it was installed, and from the cache
        assert (await bench.catalog().ensure(["tool"]))["tool"].version == "1.2.9"


async def test_an_archive_with_several_files(bench: Bench, server: Server) -> None:
    body = archive(tool=b"one", helper=b"two")
    recipe(bench, server.serve("/tool.tgz", body), body, 'members = { tool = "bin/tool", helper = "bin/helper" }')
    engine = (await bench.catalog().ensure(["tool"]))["tool"]
    assert engine.path("tool").read_bytes() == b"one"
    assert engine.path("helper").read_bytes() == b"two"


async def test_an_archive_without_the_file(bench: Bench, server: Server) -> None:
    body = archive(other=b"one")
    recipe(bench, server.serve("/tool.tgz", body), body, 'members = { tool = "bin/tool" }')
    assert "was not packed as the recipe says" in await refusal(bench)


async def test_a_redirect_is_followed(bench: Bench, server: Server) -> None:
    server.serve("/there", BINARY)

    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/there")
        handler.end_headers()

    server.routes["/here"] = redirect
    recipe(bench, f"{server.url}/here", BINARY)
    await bench.catalog().ensure(["tool"])
    assert [path for path, _ in server.requests] == ["/here", "/there"]


async def test_a_wrong_checksum_is_refused_and_not_kept(bench: Bench, server: Server) -> None:
    recipe(bench, server.serve("/tool", BINARY + b"evil"), BINARY)
    told = await refusal(bench)
    assert hashlib.sha256(BINARY).hexdigest() in told
    assert hashlib.sha256(BINARY + b"evil").hexdigest() in told
    assert "do not use that download" in told
    server.serve("/tool", BINARY)
    await bench.catalog().ensure(["tool"])
    assert server.requests[-1] == ("/tool", None)


async def test_a_body_that_breaks_off_is_continued(bench: Bench, server: Server) -> None:
    whole = server.serve("/tool", BINARY)
    respond = server.routes["/tool"]

    def break_off_once(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Range"):
            respond(handler)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BINARY)))
        handler.end_headers()
        handler.wfile.write(BINARY[:5000])

    server.routes["/tool"] = break_off_once
    recipe(bench, whole, BINARY)
    engine = (await bench.catalog().ensure(["tool"]))["tool"]
    assert engine.path("tool").read_bytes() == BINARY
    assert server.requests == [("/tool", None), ("/tool", "bytes=5000-")]


async def test_a_body_that_always_breaks_off_is_an_error_and_the_next_run_continues(
    bench: Bench, server: Server
) -> None:
    def break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)  # and no ranges: every attempt begins anew
        handler.send_header("Content-Length", str(len(BINARY)))
        handler.end_headers()
        handler.wfile.write(BINARY[:7000])

    server.routes["/tool"] = break_off
    recipe(bench, f"{server.url}/tool", BINARY)
    told = await refusal(bench)
    assert f"broke off after 7000 of {len(BINARY)} bytes" in told
    assert "make http://127.0.0.1" in told
    server.serve("/tool", BINARY)
    await bench.catalog().ensure(["tool"])
    assert server.requests[-1] == ("/tool", "bytes=7000-")


async def test_an_earlier_part_of_something_else_is_thrown_away(bench: Bench, server: Server) -> None:
    recipe(bench, server.serve("/tool", BINARY), BINARY)
    part = bench.cache.root / "tool" / ".downloads" / f"{hashlib.sha256(BINARY).hexdigest()}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * (len(BINARY) + 5))
    await bench.catalog().ensure(["tool"])
    assert [asked for _, asked in server.requests] == [f"bytes={len(BINARY) + 5}-", None]


async def test_an_earlier_part_that_is_whole_already(bench: Bench, server: Server) -> None:
    recipe(bench, server.serve("/tool", BINARY), BINARY)
    part = bench.cache.root / "tool" / ".downloads" / f"{hashlib.sha256(BINARY).hexdigest()}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BINARY)
    await bench.catalog().ensure(["tool"])
    assert not part.exists()


async def test_not_found(bench: Bench, server: Server) -> None:
    recipe(bench, f"{server.url}/gone", BINARY)
    assert "status 404" in await refusal(bench)
    assert len(server.requests) == 1


async def test_a_server_in_trouble_is_asked_again(bench: Bench, server: Server) -> None:
    server.routes["/tool"] = lambda handler: handler.send_error(503)
    recipe(bench, f"{server.url}/tool", BINARY)
    assert "status 503" in await refusal(bench)
    assert len(server.requests) == 3


async def test_offline_says_what_to_do(bench: Bench) -> None:
    recipe(bench, "http://127.0.0.1:1/tool", BINARY)
    told = await refusal(bench)
    assert "Connection refused" in told
    assert "put tool into a directory and name it in ROADSTEAD_ENGINES_DIR" in told


async def test_nothing_pinned_for_this_architecture(bench: Bench) -> None:
    recipe(bench, "http://127.0.0.1:1/tool", BINARY, architecture="riscv64")
    assert "no download of tool 1.2.3 is pinned for amd64" in await refusal(bench)


async def test_of_two_installations_at_once_one_downloads_and_both_get_it(bench: Bench, server: Server) -> None:
    recipe(bench, server.serve("/tool", BINARY), BINARY)
    both = await asyncio.gather(*(bench.catalog().ensure(["tool"]) for _ in range(2)))
    assert both[0]["tool"].path("tool") == both[1]["tool"].path("tool")
    assert len(server.requests) == 1


async def test_when_the_first_is_cancelled_the_waiting_second_continues_its_download(
    bench: Bench, server: Server
) -> None:
    whole = server.serve("/tool", BINARY)
    respond = server.routes["/tool"]
    half, go_on = len(BINARY) // 2, asyncio.Event()
    loop = asyncio.get_running_loop()

    def stall_in_the_middle(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Range"):
            respond(handler)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BINARY)))
        handler.end_headers()
        handler.wfile.write(BINARY[:half])
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(20)

    server.routes["/tool"] = stall_in_the_middle
    recipe(bench, whole, BINARY)
    reported = asyncio.Event()

    def report(event: Event) -> None:
        if event.done:
            reported.set()

    first = asyncio.create_task(bench.catalog().ensure(["tool"], report))
    await asyncio.wait_for(reported.wait(), 20)
    second = asyncio.create_task(bench.catalog().ensure(["tool"]))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    engines = await asyncio.wait_for(second, 20)
    assert engines["tool"].path("tool").read_bytes() == BINARY
    assert server.requests[1][1] is not None
