"""Requests that come again in the same bytes: answered at once, unless anything says that they must be made anew."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.http_connection import connected

from roadstead.access.arrival import VPC
from roadstead.registry.repeats import REPEAT, Again, Repeated
from roadstead.server.repeats import MAX_HEAD, MOST, Repeats

GET = b"GET /v2/web/manifests/v1 HTTP/1.1\r\nhost: x\r\n\r\n"


class App:
    """Answers with how many requests it saw, and says that its answers may be given again while `holds`."""

    def __init__(self) -> None:
        self.holds = True
        self.seen: list[str] = []
        self.offered = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope["path"])
        body = b"%d" % len(self.seen)
        keep = scope.get(REPEAT)
        if keep is not None:
            self.offered += 1
            answer = Repeated((b"content-length: 1\r\nagain: yes\r\n\r\n", body))
            keep(lambda: answer if self.holds else None)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": body})


async def test_the_same_bytes_are_answered_at_once_with_the_server_s_headers_of_now():
    app, repeats = App(), Repeats()
    async with connected(app, repeats) as one, connected(app, repeats) as other:
        (first,) = await one.ask(GET)
        assert first.endswith(b"\r\n\r\n1")
        for connection in (one, other, one):
            connection.state.default_headers = [(b"date", b"now")]
            connection.written.clear()
            connection.protocol.data_received(GET)
            assert connection.written == [b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 1\r\nagain: yes\r\n\r\n1"]
        assert len(app.seen) == 1
        assert one.state.total_requests == 3


async def test_an_answer_that_holds_no_more_is_made_anew():
    app, repeats = App(), Repeats()
    async with connected(app, repeats) as client:
        await client.ask(GET)
        app.holds = False
        (answer,) = await client.ask(GET)
        assert answer.endswith(b"\r\n\r\n2")
        app.holds = True
        (answer,) = await client.ask(GET)
        assert answer.endswith(b"again: yes\r\n\r\n2")


async def test_whoever_else_asks_is_somebody_else():
    app, repeats = App(), Repeats()
    async with (
        connected(app, repeats) as one,
        connected(app, repeats, vpc="vpc-1") as in_vpc,
        connected(app, repeats, address="10.0.0.8") as elsewhere,
    ):
        await one.ask(GET)
        await one.ask(GET.replace(b"host: x", b"host: y"))
        await in_vpc.ask(GET)
        await elsewhere.ask(GET)
        assert len(app.seen) == 4
        assert in_vpc.protocol.scope.get(VPC) == "vpc-1"


async def test_what_is_no_request_of_its_own_is_not_recognised():
    app, repeats = App(), Repeats()
    async with connected(app, repeats) as client:
        assert len(b"".join(await client.ask(GET + GET)).split(b"HTTP/1.1")) == 3
        await client.ask(GET[:20], GET[20:])
        await client.ask(b"POST /v2/web/manifests/v1 HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
        await client.ask(b"GET /v2/web HTTP/1.1\r\nx: " + b"x" * MAX_HEAD + b"\r\n\r\n")
        assert app.offered == 0
        await client.ask(GET)
        assert app.offered == 1
        (answer,) = await client.ask(GET[:30], GET[30:])  # the same request, in other pieces
        assert answer.endswith(b"\r\n\r\n7")


async def test_the_body_of_another_request_is_not_taken_for_a_request():
    app, repeats = App(), Repeats()
    async with connected(app, repeats) as client:
        await client.ask(GET)
        head = b"POST /v2/web/blobs/uploads/ HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(GET)
        client.protocol.data_received(head)
        client.protocol.data_received(GET)
        for _ in range(10):
            await asyncio.sleep(0)
        assert app.seen == ["/v2/web/manifests/v1", "/v2/web/blobs/uploads/"]
        assert b"again" not in b"".join(client.written)


async def test_a_request_that_is_being_answered_goes_first():
    class Slow(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/slow":
                await released.wait()
            await super().__call__(scope, receive, send)

    app, repeats, released = Slow(), Repeats(), asyncio.Event()
    async with connected(app, repeats) as client:
        await client.ask(GET)
        client.protocol.data_received(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await client.ask(GET) == []
        released.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert app.seen == ["/v2/web/manifests/v1", "/slow", "/v2/web/manifests/v1"]
        assert [answer[-1:] for answer in b"".join(client.written).split(b"HTTP/1.1")[1:]] == [b"2", b"3"]


async def test_a_connection_that_closes_afterwards_offers_nothing():
    app, repeats = App(), Repeats()
    async with connected(app, repeats) as client:
        await client.ask(GET.replace(b"host: x", b"connection: close"))
        assert client.closed
        assert app.offered == 0


async def test_nothing_is_kept_where_nothing_is_to_be():
    app = App()
    async with connected(app) as client:
        await client.ask(GET)
        await client.ask(GET)
        assert (len(app.seen), app.offered) == (2, 0)


async def test_being_answered_again_keeps_a_connection_alive():
    app, repeats = App(), Repeats()
    async with connected(app, repeats) as client:
        await client.ask(GET)
        await client.ask(GET)
        client.protocol.timeout_keep_alive_handler()
        assert not client.closed
        client.protocol.timeout_keep_alive = 0
        client.protocol.timeout_keep_alive_handler()
        assert client.closed


def test_the_longest_unused_ones_make_room() -> None:
    repeats = Repeats()
    again: Again = lambda: Repeated((b"",))  # noqa: E731
    names = [name for number in range(MOST + 1) if (name := repeats.name("", "", b"GET /v2/%d" % number))]
    for name in names[:MOST]:
        repeats.keep(name, again)
    assert repeats.answer(names[0], ()) is not None
    repeats.keep(names[MOST], again)
    assert repeats.answer(names[1], ()) is None
    assert repeats.answer(names[0], ()) is not None
