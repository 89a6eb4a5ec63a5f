"""A cancellation that comes in the same turn of the loop in which the connection to containerd is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib.const import Cardinality, Handler
from grpclib.server import Server

from roadstead.agent.runtime.api import tasks_pb2, version_pb2
from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.agent.runtime.client import Client
from roadstead.agent.runtime.containers import TASKS, Containers
from roadstead.agent.runtime.exits import ExitWatcher

VERSION = "/containerd.services.version.v1.Version/Version"
DEADLINE = 10.0


class Silent:
    """Takes calls and answers none."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def _take(self, stream: Any) -> None:
        await stream.recv_message()
        self.asked.set()
        await asyncio.Event().wait()

    def __mapping__(self) -> Mapping[str, Handler]:
        return {
            f"{TASKS}/Wait": Handler(
                self._take, Cardinality.UNARY_UNARY, tasks_pb2.WaitRequest, tasks_pb2.WaitResponse
            ),
            VERSION: Handler(self._take, Cardinality.UNARY_UNARY, Empty, version_pb2.VersionResponse),
        }


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Silent]:
    silent = Silent()
    server = Server([silent])
    await server.start(path=str(tmp_path / "engine.sock"))
    yield silent
    server.close()
    await server.wait_closed()


@pytest.fixture
async def client(engine: Silent, tmp_path: Path) -> AsyncIterator[Client]:
    client = Client(tmp_path / "engine.sock", "test")
    yield client
    await client.close()


def lose_connection(client: Client) -> None:
    """What asyncio does in the turn in which it meets the end of the connection."""
    protocol = client._channel._protocol
    assert protocol is not None
    protocol.connection_lost(None)


async def test_ends_the_call(engine: Silent, client: Client):
    call = asyncio.create_task(client.version(within=60))
    await asyncio.wait_for(engine.asked.wait(), DEADLINE)
    lose_connection(client)
    call.cancel()
    await asyncio.wait([call], timeout=DEADLINE)
    assert call.cancelled()


async def test_ends_the_wait_for_a_container_that_is_forgotten(engine: Silent, client: Client):
    watcher = ExitWatcher(Containers(client, cast("Any", None)), cast("Cgroups", None), lambda _: False)
    watcher.expect("c1")
    await asyncio.wait_for(engine.asked.wait(), DEADLINE)
    lose_connection(client)
    async with asyncio.timeout(DEADLINE):
        await watcher.forget("c1")


async def test_ends_the_probe_of_a_client_that_is_closed(engine: Silent, client: Client):
    await client.back(within=0)
    await asyncio.wait_for(engine.asked.wait(), DEADLINE)
    lose_connection(client)
    async with asyncio.timeout(DEADLINE):
        await client.close()


async def test_a_call_whose_caller_stays_does_not_count_as_cancelled(engine: Silent, client: Client):
    """Who waits with a bound of time afterwards would take that for the end of it."""
    task = asyncio.current_task()
    assert task is not None
    asking = asyncio.create_task(engine.asked.wait())
    asking.add_done_callback(lambda _: lose_connection(client))
    with pytest.raises(Exception, match="Connection lost"):
        await client.version(within=60)
    assert task.cancelling() == 0
