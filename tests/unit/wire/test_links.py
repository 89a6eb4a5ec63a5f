"""Frames of the links, as Amazon's agent writes and reads them."""

from __future__ import annotations

import json

import msgspec
import pytest

from roadstead.wire import acs, tcs
from roadstead.wire.docker import HostConfig, LogConfig, read_config, read_host_config, write
from roadstead.wire.envelope import MalformedMessage, UnknownMessage
from roadstead.wire.task import Container, DockerConfig, Task


def test_a_payload_survives_the_way_there():
    container = Container(
        name="app", essential=True, docker_config=DockerConfig(host_config=write(HostConfig(init=True)))
    )
    message = acs.PayloadMessage(message_id="m", seq_num=3, tasks=(Task(arn="a", containers=(container,)),))
    assert acs.TO_AGENT.decode(acs.TO_AGENT.encode(message)) == message


def test_names_are_those_of_amazons_agent():
    frame = json.loads(acs.TO_SERVER.encode(acs.AckRequest(cluster="c", container_instance="i", message_id="m")))
    assert frame == {"type": "AckRequest", "message": {"cluster": "c", "containerInstance": "i", "messageId": "m"}}


def test_members_that_we_do_not_know_are_ignored():
    frame = '{"type":"HeartbeatMessage","message":{"messageId":"x","healthy":true,"later":{"a":1}},"more":2}'
    assert acs.TO_AGENT.decode(frame) == acs.HeartbeatMessage(message_id="x")


@pytest.mark.parametrize(
    "frame", ["", "{", "[]", '{"message":{}}', '{"type":"HeartbeatMessage","message":{"healthy":3}}', b"\xff"]
)
def test_malformed(frame: str | bytes):
    with pytest.raises(MalformedMessage):
        acs.TO_AGENT.decode(frame)


def test_unknown():
    with pytest.raises(UnknownMessage, match="FutureMessage"):
        acs.TO_AGENT.decode('{"type":"FutureMessage","message":{}}')


def test_counters_keep_their_zeros():
    metric = tcs.ContainerMetric(network_stats_set=tcs.NetworkStatsSet(rx_bytes=tcs.ByteStatsSet()))
    assert json.loads(msgspec.json.encode(metric))["networkStatsSet"]["rxBytes"] == {
        "min": 0,
        "max": 0,
        "sampleCount": 0,
        "sum": 0,
    }


def test_telemetry_as_amazons_agent_sends_it():
    frame = {
        "type": "PublishHealthRequest",
        "message": {
            "metadata": {"cluster": "c", "containerInstance": "i", "messageId": "m", "fin": True},
            "tasks": [
                {
                    "taskArn": "t",
                    "containers": [{"containerName": "app", "healthStatus": "HEALTHY", "statusSince": 1.7e9}],
                }
            ],
            "timestamp": 1.7e9,
        },
    }
    message = tcs.TO_SERVER.decode(json.dumps(frame))
    assert isinstance(message, tcs.PublishHealthRequest)
    assert message.tasks[0].containers[0].health_status == "HEALTHY"


def test_docker_json():
    text = write(
        HostConfig(log_config=LogConfig(type="awslogs", config={"awslogs-group": "g"}), cap_add=("NET_ADMIN",))
    )
    assert json.loads(text) == {
        "LogConfig": {"Type": "awslogs", "Config": {"awslogs-group": "g"}},
        "CapAdd": ["NET_ADMIN"],
    }
    assert read_host_config(text).cap_add == ("NET_ADMIN",)
    assert read_host_config("") == HostConfig()
    assert read_config('{"Healthcheck":{"Test":["CMD","x"],"Interval":5000000000}}').healthcheck is not None
