"""Calls of the API against a server that misbehaves."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from roadstead.agent.client import ApiClient, ApiRefused, ApiUnreachable, Credentials, FileCredentials, FixedCredentials
from roadstead.agent.client.retry import LINKS, Backoff, is_retryable


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


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    runner = web.ServerRunner(web.Server(made.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


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
