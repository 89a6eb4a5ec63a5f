"""Payloads are sent until they are acknowledged, and an agent may see them twice, late and in any order."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.support.waiting import reached
from tests.unit.agentlink.helpers import acs_url, call, reaches, run_task
from websockets.asyncio.client import ClientConnection

from roadstead.agent.client import connect_link
from roadstead.agent.ecs.acs_link import AcsLink
from roadstead.agent.runtime.model import Isolation
from roadstead.wire import acs
from roadstead.wire.task import Container, ElasticNetworkInterface, IAMRoleCredentials, IPv4AddressAssignment, Task

ARN = "arn:aws:ecs:us-east-1:000000000000:task/default/00000000000000000000000000000001"


def a_task(arn: str = ARN, desired: str = "RUNNING", **more: Any) -> Task:
    interface = ElasticNetworkInterface(
        ec2_id="eni-1",
        mac_address="0a:00:00:00:00:01",
        ipv4_addresses=(IPv4AddressAssignment(private_address="10.0.0.9", primary=True),),
        subnet_gateway_ipv4_address="10.0.0.1/24",
    )
    return Task(
        arn=arn,
        desired_status=desired,
        containers=(Container(name="app", image="busybox", essential=True),),
        elastic_network_interfaces=(interface,),
        network_mode="awsvpc",
        launch_type="FARGATE",
        **more,
    )


class Sent(list[msgspec.Struct]):
    async def __call__(self, message: msgspec.Struct) -> None:
        self.append(message)

    def of(self, kind: type) -> list[Any]:
        return [each for each in self if isinstance(each, kind)]


@pytest.fixture
async def link(agent) -> AcsLink:
    await agent.engine.ready()
    return AcsLink(agent.api, agent.registration, agent.identity, agent.engine)


def frame(message: msgspec.Struct) -> str:
    return acs.TO_AGENT.encode(message)


async def silent(connection: ClientConnection, seconds: float) -> bool:
    """Whether no payload comes for so long."""
    try:
        async with asyncio.timeout(seconds):
            while not isinstance(acs.TO_AGENT.decode(await connection.recv()), acs.PayloadMessage):
                pass
    except TimeoutError:
        return True
    return False


async def test_payloads_are_sent_again_until_acknowledged(server, agent, admin):
    arn = await run_task(admin, agent)
    await reaches(admin, arn, "RUNNING")
    await agent.kill()
    await call(admin, "ecs", "StopTask", task=arn)
    url = acs_url(server, agent.registration.arn)
    payloads: list[acs.PayloadMessage] = []
    async with connect_link(url, agent.api.credentials, "us-east-1") as connection, asyncio.timeout(10):
        while len(payloads) < 2:
            message = acs.TO_AGENT.decode(await connection.recv())
            if isinstance(message, acs.PayloadMessage):
                payloads.append(message)
        assert [each.tasks[0].desired_status for each in payloads] == ["STOPPED", "STOPPED"]
        assert payloads[0].message_id != payloads[1].message_id
        assert [each.seq_num for each in payloads] == [each.timeline for each in payloads]
        ack = acs.AckRequest(message_id=payloads[0].message_id)
        await connection.send(acs.TO_SERVER.encode(ack))
        assert await silent(connection, 1.5)
    await agent.start()
    await reaches(admin, arn, "DEPROVISIONING", "STOPPED")


async def test_what_was_acknowledged_is_not_told_again_in_a_new_session(server, agent, admin):
    arns = [await run_task(admin, agent) for _ in range(2)]
    for arn in arns:
        await reaches(admin, arn, "RUNNING")
    await agent.kill()
    url = acs_url(server, agent.registration.arn)
    async with connect_link(url, agent.api.credentials, "us-east-1") as connection, asyncio.timeout(10):
        while not isinstance(message := acs.TO_AGENT.decode(await connection.recv()), acs.TaskManifestMessage):
            pass
        assert {each.task_arn for each in message.tasks} == set(arns)
        await call(admin, "ecs", "StopTask", task=arns[0])
        while not isinstance(message := acs.TO_AGENT.decode(await connection.recv()), acs.PayloadMessage):
            pass
        assert [each.arn for each in message.tasks] == arns[:1]


async def test_a_payload_that_comes_twice_starts_one_task(agent, link):
    sent = Sent()
    message = acs.PayloadMessage(cluster_arn="c", container_instance_arn="i", message_id="m", tasks=(a_task(),))
    for _ in range(2):
        assert await link._handle(frame(message), sent)
    await reached(
        lambda: agent.runtime.specs
    )  # that it runs may pass in a moment: the server's manifest does not name it
    assert len(agent.runtime.specs) == 1
    assert [each.message_id for each in sent.of(acs.AckRequest)] == ["m", "m"]


async def test_a_task_keeps_the_isolation_that_it_came_with(agent, link):
    await link._handle(frame(acs.PayloadMessage(message_id="m", tasks=(a_task(),))), Sent())
    [record] = agent.engine.records()
    assert agent.registration.fargate_runtime == "gvisor"
    assert record.isolation is Isolation.GVISOR
    [kept] = [each for each in agent.engine._tools.records.load() if each.task.arn == ARN]
    assert kept.isolation is record.isolation


async def test_a_late_running_does_not_undo_a_stop(agent, link):
    sent = Sent()
    for number, desired in enumerate(("RUNNING", "STOPPED", "RUNNING")):
        message = acs.PayloadMessage(message_id=f"m{number}", tasks=(a_task(desired=desired),))
        await link._handle(frame(message), sent)
    await reached(lambda: not list(agent.engine.records()) or agent.runtime.stopped)
    assert len(agent.runtime.running()) == 0


async def test_a_stop_for_an_unknown_task_is_only_told(agent, link):
    await link._handle(frame(acs.PayloadMessage(message_id="m", tasks=(a_task(desired="STOPPED"),))), Sent())
    await reached(lambda: not agent.runtime.tasks and not agent.networks.made)
    assert agent.runtime.specs == {}


async def test_old_manifests_are_discarded_and_strays_asked_about(agent, link):
    sent = Sent()
    await link._handle(frame(acs.PayloadMessage(message_id="p", timeline=1_000_005, tasks=(a_task(),))), sent)
    old = acs.TaskManifestMessage(message_id="old", timeline=1_000_005)
    await link._handle(frame(old), sent)
    assert sent.of(acs.TaskStopVerificationMessage) == []
    new = acs.TaskManifestMessage(message_id="new", timeline=1_000_006)
    await link._handle(frame(new), sent)
    asked = sent.of(acs.TaskStopVerificationMessage)
    assert [each.task_arn for each in asked[0].stop_candidates] == [ARN]
    other = acs.TaskStopVerificationAck(message_id="old", stop_tasks=asked[0].stop_candidates)
    await link._handle(frame(other), sent)
    assert next(iter(agent.engine.records())).desired == "RUNNING"
    await link._handle(frame(msgspec.structs.replace(other, message_id="new")), sent)
    await reached(lambda: all(record.desired == "STOPPED" for record in agent.engine.records()))


async def test_credentials_are_taken_over_and_refreshed(agent, link):
    sent = Sent()
    first = IAMRoleCredentials(credentials_id="one", access_key_id="A1", secret_access_key="s", expiration="e1")
    await link._handle(frame(acs.PayloadMessage(message_id="p", tasks=(a_task(role_credentials=first),))), sent)
    held = agent.credentials.application("one")
    assert held is not None
    assert held.credentials.access_key_id == "A1"
    fresh = msgspec.structs.replace(first, access_key_id="A2", expiration="e2")
    message = acs.IAMRoleCredentialsMessage(message_id="r", task_arn=ARN, role_credentials=fresh)
    await link._handle(frame(message), sent)
    assert agent.credentials.application("one").credentials.access_key_id == "A2"
    acks = sent.of(acs.IAMRoleCredentialsAckRequest)
    assert [(each.message_id, each.expiration) for each in acks] == [("p", "e1"), ("r", "e2")]


async def test_a_payload_that_comes_again_brings_its_credentials(agent, link):
    sent = Sent()
    keys = IAMRoleCredentials(credentials_id="one", access_key_id="A1", secret_access_key="s", expiration="e1")
    execution = msgspec.structs.replace(keys, credentials_id="two")
    first = a_task(role_credentials=keys, execution_role_credentials=execution)
    again = a_task(role_credentials=msgspec.structs.replace(keys, access_key_id="A2"))
    for task in (first, again, a_task()):
        await link._handle(frame(acs.PayloadMessage(message_id="p", tasks=(task,))), sent)
    assert agent.credentials.application("one").credentials.access_key_id == "A2"
    assert agent.credentials.execution(ARN).access_key_id == "A1"


async def test_a_task_that_can_not_be_run_says_why_and_is_acknowledged(agent, link):
    sent = Sent()
    task = msgspec.structs.replace(a_task(), network_mode="bridge")
    await link._handle(frame(acs.PayloadMessage(message_id="m", tasks=(task,))), sent)
    assert sent.of(acs.AckRequest)
    record = next(iter(agent.engine.records()))
    await reached(lambda: record.pending or record.status == "STOPPED")
    assert record.failure == "ResourceInitializationError: this agent does not support the network mode bridge"
