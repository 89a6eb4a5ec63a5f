"""A task reads what is its own at 169.254.170.2, and nothing of another."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.ports import free_port
from tests.unit.agent.ecs.test_launch import interface

from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.launch import endpoint_id
from roadstead.agent.ecs.metadata.server import CONNECTIONS, MetadataServer, Refused
from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.core.taskengine.model import Desired
from roadstead.core.taskengine.states import ContainerState
from roadstead.wire.task import Container, IAMRoleCredentials, Task


def record(number: int) -> TaskRecord:
    task = Task(
        arn=f"arn:aws:ecs:us-east-1:000000000000:task/default/{number:032x}",
        family="web",
        version="3",
        launch_type="FARGATE",
        network_mode="awsvpc",
        containers=(Container(name="app", image="web:1"),),
        elastic_network_interfaces=(interface(),),
    )
    container = ContainerRecord(
        name="app", state=ContainerState.RUNNING, runtime_id="r", created_at=1.0, started_at=2.0
    )
    return TaskRecord(
        task=task,
        desired=Desired.RUNNING,
        containers={"app": container},
        received_at=0.0,
        link_address=f"169.254.172.{number}",
    )


ONE, TWO = record(2), record(3)


@pytest.fixture
def server() -> MetadataServer:
    store = CredentialStore()
    for each, identity in ((ONE, "one"), (TWO, "two")):
        store.put_application(
            each.task.arn, IAMRoleCredentials(credentials_id=identity, access_key_id=f"key-{identity}")
        )
    return MetadataServer(None, ("127.0.0.1", 0), lambda: [ONE, TWO], store)


def status(server: MetadataServer, path: str, source: str = ONE.link_address, method: str = "GET") -> int:
    with pytest.raises(Refused) as caught:
        server.answer(method, path, source)
    return caught.value.status


def test_credentials_are_given_to_their_own_task_alone(server):
    assert server.answer("GET", "/v2/credentials/one", ONE.link_address)["AccessKeyId"] == "key-one"
    assert status(server, "/v2/credentials/two") == 400
    assert status(server, "/v2/credentials/nothing") == 400
    assert status(server, "/v2/credentials/one", "10.0.0.9") == 404


def test_metadata_of_container_and_task(server):
    path = f"/v4/{endpoint_id(ONE.task, 'app')}"
    container = server.answer("GET", path, ONE.link_address)
    assert (container["Name"], container["KnownStatus"], container["Image"]) == ("app", "RUNNING", "web:1")
    assert container["Networks"][0]["IPv4Addresses"] == ["10.0.0.9"]
    task = server.answer("GET", f"{path}/task", ONE.link_address)
    assert (task["TaskARN"], task["Revision"], len(task["Containers"])) == (ONE.task.arn, "3", 1)


def test_metadata_of_another_task_does_not_exist(server):
    assert status(server, f"/v4/{endpoint_id(TWO.task, 'app')}/task") == 404


def test_what_is_not_built_says_so(server):
    path = endpoint_id(ONE.task, "app")
    assert status(server, f"/v4/{path}/stats") == 501
    assert status(server, f"/api/{path}/task-protection/v1/state", method="PUT") == 501
    assert status(server, "/v2/credentials/one", method="POST") == 405
    assert status(server, "/else") == 404


async def test_a_task_that_leaves_its_connections_open_leaves_the_agent_files_to_open():
    port = free_port()
    async with MetadataServer(None, ("127.0.0.1", port), lambda: [ONE, TWO], CredentialStore()):
        first = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
        too_many, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(too_many.read(), 3) == b""
        writer.close()
        for reader, writer in first:
            assert await asyncio.wait_for(reader.read(), 15) == b"", "nothing was asked for seconds"
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /else HTTP/1.0\r\n\r\n")
        assert b"UnknownTask" in await asyncio.wait_for(reader.read(), 5)
        writer.close()
