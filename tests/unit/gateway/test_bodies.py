"""What the bodies of many requests may take together."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from prometheus_client import CollectorRegistry
from tests.support.trail import no_trail

from roadstead.access.arrival import Arrival
from roadstead.gateway.app import Gateway, Limits, Message
from roadstead.gateway.metrics import GatewayMetrics
from roadstead.gateway.outcome import Outcome
from roadstead.gateway.protocols import HttpRequest, HttpResponse


class Dispatcher:
    """Answers with the length of the body, once it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def handle(self, request: HttpRequest, request_id: str, arrival: Arrival) -> Outcome:
        del arrival
        await self.may_answer.wait()
        return Outcome(HttpResponse(200, (), str(len(request.body)).encode()))


TARGET = (b"x-amz-target", b"Logs_20140328.DescribeLogGroups")


class Client:
    """One request: chunks are sent when the test says so."""

    def __init__(self, gateway: Gateway) -> None:
        self._chunks: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": [TARGET]}
        self._task = asyncio.create_task(gateway(scope, self._receive, self._send))

    async def send(self, size: int, *, more: bool = True) -> None:
        """A chunk, until it was taken."""
        self._chunks.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": more})
        await self._chunks.join()

    async def hang_up(self) -> None:
        self._chunks.put_nowait({"type": "http.disconnect"})
        await self._task

    async def answer(self) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection closes."""
        await self._task
        start, body = self.sent
        return start["status"], body["body"], (b"connection", b"close") in start["headers"]

    async def _receive(self) -> Message:
        chunk = await self._chunks.get()
        self._chunks.task_done()
        return chunk

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


def gateway(dispatcher: Dispatcher, **limits: int) -> Gateway:
    return Gateway(cast("Any", dispatcher), GatewayMetrics(CollectorRegistry()), no_trail(), Limits(**limits))


async def test_one_body_too_many_is_refused_for_the_client_to_try_again():
    served = gateway(Dispatcher(), body=100, together=150)
    first, second = Client(served), Client(served)
    await first.send(100)
    await second.send(40)
    await second.send(20)
    status, body, closes = await second.answer()
    assert (status, closes) == (503, True)
    assert b"RequestThrottled" in body
    await first.send(0, more=False)
    assert (await first.answer())[:2] == (200, b"100")


async def test_what_a_request_took_is_given_back_when_it_was_answered_and_when_its_client_goes():
    dispatcher = Dispatcher()
    served = gateway(dispatcher, body=100, together=100)
    for _ in range(3):
        gone = Client(served)
        await gone.send(90)
        await gone.hang_up()
        whole = Client(served)
        await whole.send(100, more=False)
        assert (await whole.answer())[0] == 200


async def test_a_body_is_held_until_its_operation_is_done():
    dispatcher = Dispatcher()
    dispatcher.may_answer.clear()
    served = gateway(dispatcher, body=100, together=100)
    slow, other = Client(served), Client(served)
    await slow.send(60, more=False)
    await other.send(60, more=False)
    assert (await other.answer())[0] == 503
    dispatcher.may_answer.set()
    assert (await slow.answer())[0] == 200
