"""The timers of both ends of the ACS link, made short: a mute other end is left, and no connection lives for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.support.played_agent import CLOCK
from tests.support.trail import no_trail
from tests.unit.agentlink.conftest import LiveAgent, LiveServer
from tests.unit.agentlink.helpers import DEADLINE, acs_url, connected, eventually, keys, left, read
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from roadstead.agent.client import connect_link
from roadstead.agent.ecs.acs_link import AcsLink
from roadstead.agent.ecs.acs_link import AcsTimers as AgentTimers
from roadstead.agent.ecs.registration import Endpoints, Registration
from roadstead.agentlink.acs import AcsEdge
from roadstead.agentlink.acs_session import AcsTimers
from roadstead.agentlink.handshake import Door, gate_of
from roadstead.agentlink.presence import Presence
from roadstead.agentlink.socket import GOING_AWAY
from roadstead.wire import acs

NORMAL = 1000


class PlayedServer:
    """Lets every agent in and says only what a test has it say."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.connections: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def take(self, connection: ServerConnection) -> None:
        self.connections.put_nowait(connection)
        await connection.wait_closed()

    async def next(self) -> ServerConnection:
        async with asyncio.timeout(DEADLINE):
            return await self.connections.get()


@pytest.fixture
async def played() -> AsyncIterator[PlayedServer]:
    server = PlayedServer()
    async with serve(server.take, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        server.endpoint = f"http://127.0.0.1:{port}"
        yield server


class Elsewhere(Registration):
    """An agent's own registration, with its links led to another server."""

    def __init__(self, agent: LiveAgent, endpoint: str) -> None:
        super().__init__(agent.api, agent.registration._settings, agent.identity)
        self._endpoint = endpoint

    async def endpoints(self) -> Endpoints:
        return Endpoints(self._endpoint)


def link_to(played: PlayedServer, agent: LiveAgent, **timers: float) -> AcsLink:
    registration = Elsewhere(agent, played.endpoint)
    return AcsLink(agent.api, registration, agent.identity, agent.engine, timers=AgentTimers(**timers))


@asynccontextmanager
async def running(link: AcsLink) -> AsyncGenerator[None]:
    task = asyncio.create_task(link.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def session_of(link: AcsLink) -> AsyncGenerator[asyncio.Task[None]]:
    """One connection of an agent, which is not made again."""
    task = asyncio.create_task(link._session())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def closed(connection: ServerConnection) -> int | None:
    """The code by which the agent closes."""
    async with asyncio.timeout(DEADLINE):
        await connection.wait_closed()
    return connection.close_code


async def answer(connection: ServerConnection, message: msgspec.Struct) -> msgspec.Struct:
    """What an agent says to a message."""
    await connection.send(acs.TO_AGENT.encode(message))
    async with asyncio.timeout(DEADLINE):
        return acs.TO_SERVER.decode(await connection.recv())


async def test_an_agent_leaves_a_mute_server_and_connects_again(agent: LiveAgent, played: PlayedServer) -> None:
    async with running(link_to(played, agent, silence=0.2, silence_jitter=0.1)):
        first = await played.next()
        assert await closed(first) == NORMAL
        second = await played.next()
    asked = [each.request.path for each in (first, second) if each.request is not None]
    assert ["sendCredentials=true" in path for path in asked] == [True, False]


async def test_silence_is_an_error_of_the_link(agent: LiveAgent, played: PlayedServer) -> None:
    async with session_of(link_to(played, agent, silence=0.2, silence_jitter=0.0)) as session:
        assert await closed(await played.next()) == NORMAL
        with pytest.raises(TimeoutError, match="the server has been silent for too long"):
            await session


async def test_an_agent_answers_heartbeats_and_stays_while_they_come(agent: LiveAgent, played: PlayedServer) -> None:
    async with running(link_to(played, agent, silence=2.0, silence_jitter=0.0)):
        connection = await played.next()
        for number in range(12):
            said = await answer(connection, acs.HeartbeatMessage(message_id=f"m{number}", healthy=True))
            assert said == acs.HeartbeatAckRequest(message_id=f"m{number}")
            await asyncio.sleep(0.2)  # together they take longer than the silence that the agent bears
        assert connection.close_code is None
        assert played.connections.empty()


async def test_an_agent_ends_a_connection_that_has_lived_long_enough(agent: LiveAgent, played: PlayedServer) -> None:
    async with session_of(link_to(played, agent, reconnect=0.2, reconnect_jitter=0.1)) as session:
        connection = await played.next()
        await answer(connection, acs.HeartbeatMessage(message_id="m"))
        assert await closed(connection) == NORMAL
        await session  # without an error: the wait before the next one stays short


async def test_an_agent_returns_when_the_server_closes(agent: LiveAgent, played: PlayedServer) -> None:
    async with session_of(link_to(played, agent)) as session:
        connection = await played.next()
        await connection.send(acs.TO_AGENT.encode(acs.CloseMessage(message="enough")))
        assert await closed(connection) == NORMAL
        await session
    async with running(link_to(played, agent)):
        for _ in range(2):
            connection = await played.next()
            await connection.send(acs.TO_AGENT.encode(acs.CloseMessage(message="enough")))
            assert await closed(connection) == NORMAL


async def test_interfaces_of_a_task_are_acknowledged(agent: LiveAgent, played: PlayedServer) -> None:
    async with session_of(link_to(played, agent)):
        connection = await played.next()
        message = acs.AttachTaskNetworkInterfacesMessage(
            cluster_arn="c", container_instance_arn="i", message_id="m", task_arn="t", wait_timeout_ms=1000
        )
        assert await answer(connection, message) == acs.AckRequest(cluster="c", container_instance="i", message_id="m")


class Overheard(AcsEdge):
    """The server's edge with other timers; remembers what is said through it."""

    def __init__(self, server: LiveServer, **timers: float) -> None:
        door = Door(server.store, gate_of(server.gatekeeper), no_trail())
        super().__init__(server.store, door, server.payloads, CLOCK, server=Presence("s"), timers=AcsTimers(**timers))
        self.connections = 0
        self.said: list[Any] = []
        self.heard: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.connections += 1

        async def hear() -> Any:
            message = await receive()
            if text := message.get("text"):
                self.heard.append(acs.TO_SERVER.decode(text))
            return message

        async def say(message: Any) -> None:
            if text := message.get("text"):
                self.said.append(acs.TO_AGENT.decode(text))
            await send(message)

        await super().__call__(scope, hear, say)


async def test_a_server_drops_an_agent_that_acknowledges_nothing(
    server: LiveServer, agent: LiveAgent, instance: str
) -> None:
    server.acs = Overheard(server, heartbeat=0.2, silence=2.5)
    async with connect_link(acs_url(server, instance), keys(server), "us-east-1") as connection:
        for _ in range(15):  # together they take longer than the silence that the server bears
            beat = await read(connection, acs.HeartbeatMessage)
            await connection.send(acs.TO_SERVER.encode(acs.HeartbeatAckRequest(message_id=beat.message_id)))
        assert not any(isinstance(each, acs.CloseMessage) for each in server.acs.said)
        assert await connected(agent)
        assert await read(connection, acs.CloseMessage)
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == GOING_AWAY
    await left(agent)


async def test_a_server_asks_for_a_new_connection_when_one_has_lived_long_enough(
    server: LiveServer, instance: str
) -> None:
    server.acs = Overheard(server, life=0.3)
    async with connect_link(acs_url(server, instance), keys(server), "us-east-1") as connection:
        assert (await read(connection, acs.CloseMessage)).message == "the session's time is over"
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == GOING_AWAY


@pytest.mark.usefixtures("instance")
async def test_an_agent_comes_again_each_time_that_its_connection_is_over(server: LiveServer, agent: LiveAgent) -> None:
    server.acs = edge = Overheard(server, life=0.3)
    await agent.start()

    async def came_again() -> bool:
        return edge.connections >= 3

    await eventually(came_again, "the agent's third connection")
    assert agent.failure() is None


@pytest.mark.usefixtures("instance")
async def test_heartbeats_go_there_and_back_between_the_two(server: LiveServer, agent: LiveAgent) -> None:
    server.acs = edge = Overheard(server, heartbeat=0.2, silence=1.0)
    await agent.start()

    async def acknowledged() -> bool:
        acks = [each.message_id for each in edge.heard if isinstance(each, acs.HeartbeatAckRequest)]
        sent = [each.message_id for each in edge.said if isinstance(each, acs.HeartbeatMessage)]
        assert acks == sent[: len(acks)]
        return len(acks) >= 8

    # Eight of them take longer than the silence after which the server would have dropped the agent.
    await eventually(acknowledged, "eight heartbeats are acknowledged")
    assert edge.connections == 1
