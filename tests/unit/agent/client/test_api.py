"""Calls of the API against a server that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from tests.support.ports import free_port
from tests.support.waiting import reached

from roadstead.agent.client import ApiClient, ApiRefused, ApiUnreachable, Credentials, FileCredentials, FixedCredentials
from roadstead.agent.client.retry import LINKS, Backoff, Patience, is_retryable


@dataclass
class Peer:
    """Answers what it is told, in order; the last answer again and again."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, body=body)


@contextlib.asynccontextmanager
async def listening(peer: Peer) -> AsyncGenerator[None]:
    runner = web.ServerRunner(web.Server(peer.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", peer.port)
    await site.start()
    peer.port = runner.addresses[0][1]
    yield
    await runner.cleanup()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    async with listening(made):
        yield made


@dataclass
class Keys:
    """Counts how often a request was signed with them."""

    used: int = 0

    def current(self) -> Credentials:
        self.used += 1
        return Credentials("AKIA", "secret", "token")


def client(peer: Peer) -> ApiClient:
    keys = FixedCredentials(Credentials("AKIA", "secret", "token"))
    return ApiClient(f"http://127.0.0.1:{peer.port}", "us-east-1", keys, backoff=Backoff(first=0.01, limit=0.02))


async def ask(peer: Peer, deadline: float = 5.0) -> dict[str, Any]:
    async with client(peer) as api:
        return await api.call("ecs", "DescribeTasks", {"tasks": ["a"]}, dict[str, Any], deadline=deadline)


async def test_a_call_is_signed_and_decoded(peer: Peer):
    peer.answers = [(200, b'{"tasks":[]}')]
    assert await ask(peer) == {"tasks": []}
    headers, body = peer.requests[0]
    assert json.loads(body) == {"tasks": ["a"]}
    assert headers["x-amz-target"] == "AmazonEC2ContainerServiceV20141113.DescribeTasks"
    assert headers["x-amz-security-token"] == "token"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIA/")


@pytest.mark.parametrize(
    "first",
    [(500, b"{}"), (503, b"no json"), (400, b'{"__type":"ThrottlingException"}'), (429, b"")],
)
async def test_passing_faults_are_tried_again(peer: Peer, first: tuple[int, bytes]):
    peer.answers = [first, (200, b"{}")]
    assert await ask(peer) == {}
    assert len(peer.requests) == 2


async def test_refusals_are_not(peer: Peer):
    peer.answers = [(400, b'{"__type":"com.amazonaws.ecs#ClusterNotFoundException","message":"Cluster not found."}')]
    with pytest.raises(ApiRefused) as caught:
        await ask(peer)
    assert (caught.value.code, caught.value.message) == ("ClusterNotFoundException", "Cluster not found.")
    assert len(peer.requests) == 1


async def test_what_is_not_built_is_not_asked_again(peer: Peer):
    peer.answers = [(501, b'{"__type":"NotImplemented"}')]
    with pytest.raises(ApiRefused):
        await ask(peer)
    assert len(peer.requests) == 1


async def test_a_deadline_ends_it(peer: Peer):
    peer.answers = [(500, b"{}")]
    with pytest.raises(ApiUnreachable):
        await ask(peer, deadline=0.1)


async def test_nobody_listens():
    with pytest.raises(ApiUnreachable):
        await ask(Peer(port=1), deadline=0.1)


async def test_who_does_not_listen_is_soon_asked_again():
    peer, keys = Peer([(200, b"{}")], port=free_port()), Keys()
    slow = Backoff(first=60.0, limit=60.0, jitter=0.0)
    async with ApiClient(f"http://127.0.0.1:{peer.port}", "us-east-1", keys, backoff=slow) as api:
        call = asyncio.create_task(api.call("ecs", "DescribeTasks", {}, dict[str, Any], deadline=20))
        await reached(lambda: keys.used, "the first attempt")
        async with listening(peer):
            assert await call == {}


async def test_a_server_that_answers_badly_is_given_the_time_that_the_backoff_says(peer: Peer):
    peer.answers = [(500, b"{}")]
    slow = Backoff(first=60.0, limit=60.0, jitter=0.0)
    async with ApiClient(f"http://127.0.0.1:{peer.port}", "us-east-1", Keys(), backoff=slow) as api:
        with pytest.raises(ApiUnreachable):
            await api.call("ecs", "DescribeTasks", {}, dict[str, Any], deadline=0.7)
    assert len(peer.requests) == 1


async def test_a_patient_call_outlives_its_deadline_while_nobody_listens_and_not_when_somebody_does():
    peer = Peer([(500, b"{}")], port=free_port())
    loop = asyncio.get_running_loop()
    async with client(peer) as api:
        call = asyncio.create_task(api.call("ecs", "DescribeTasks", {}, dict[str, Any], deadline=0.2, patient=True))
        begun = loop.time()
        await reached(lambda: loop.time() > begun + 0.5, "more than twice the deadline")
        assert not call.done()
        async with listening(peer):
            with pytest.raises(ApiUnreachable, match=r"no answer in 0\.2 s"):
                await call
            assert peer.requests


async def test_a_patient_call_waits_for_no_server_that_is_away_beside_one_that_answers_badly(peer: Peer):
    peer.answers = [(503, b"{}")]
    here, gone = f"http://127.0.0.1:{peer.port}", f"http://127.0.0.1:{free_port()}"
    fast = Backoff(first=0.01, limit=0.02)
    async with ApiClient(here, "us-east-1", Keys(), backoff=fast, others=(gone,)) as api:
        with pytest.raises(ApiUnreachable):
            async with asyncio.timeout(10):
                await api.call("ecs", "DescribeTasks", {}, dict[str, Any], deadline=0.3, patient=True)
    assert len(peer.requests) > 1


async def test_an_answer_that_can_not_be_read(peer: Peer):
    peer.answers = [(200, b"[1]")]
    with pytest.raises(ApiRefused, match="SerializationException"):
        await ask(peer)


def test_keys_follow_their_file(tmp_path):
    path = tmp_path / "agent.json"

    def write(key: str) -> None:
        new = tmp_path / "new"
        new.write_text(
            json.dumps(
                {"hostId": "h", "endpoint": "http://x", "region": "r", "accessKeyId": key, "secretAccessKey": "s"}
            )
        )
        new.replace(path)

    write("one")
    source = FileCredentials(path)
    assert source.current().access_key_id == "one"
    write("two")
    assert source.current().access_key_id == "two"


def test_waits_grow_to_their_limit():
    waits = [LINKS.delay(attempt, lambda: 0.0) for attempt in range(20)]
    assert waits[0] == 0.25
    assert waits[1] == 0.375
    assert waits[-1] == 120.0
    assert waits == sorted(waits)
    assert LINKS.delay(0, lambda: 1.0) == pytest.approx(0.2)


def test_patience_is_for_failures_in_a_row():
    patience = Patience(120.0)
    assert not any(patience.is_over(now) for now in (0.0, 60.0, 119.0))
    assert patience.is_over(120.0)
    patience.renew()
    assert not patience.is_over(121.0)
    assert not patience.is_over(1000.0), "of another row"
    assert not patience.is_over(1119.0)
    assert patience.is_over(1120.0)


def test_retryable():
    assert is_retryable("ThrottlingException", 400)
    assert is_retryable("Whatever", 500)
    assert not is_retryable("NotImplemented", 501)
    assert not is_retryable("InvalidParameterException", 400)


async def test_a_call_turns_to_another_server_and_stays_there(peer: Peer):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listening
        gone = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        keys = FixedCredentials(Credentials("AKIA", "secret", "token"))
        there = f"http://127.0.0.1:{peer.port}"
        peer.answers = [(200, b"{}")]
        async with ApiClient(gone, "us-east-1", keys, backoff=Backoff(first=0.01, limit=0.02), others=(there,)) as api:
            assert await api.call("ecs", "DescribeTasks", {}, dict[str, Any], deadline=5) == {}
            assert api.endpoint == there
            api.away(gone)
            assert api.endpoint == there, "the failure of a server that is not in use changes nothing"


async def test_a_server_that_can_not_serve_is_left_for_another(peer: Peer):
    keys = FixedCredentials(Credentials("AKIA", "secret", "token"))
    peer.answers = [(503, b'{"__type":"ServiceUnavailable"}'), (200, b"{}")]
    here, same = f"http://127.0.0.1:{peer.port}", f"http://localhost:{peer.port}"
    async with ApiClient(here, "us-east-1", keys, backoff=Backoff(first=0.01, limit=0.02), others=(same,)) as api:
        await api.call("ecs", "DescribeTasks", {}, dict[str, Any], deadline=5)
        assert api.endpoint == same
