"""Every frame of the telemetry link, as Amazon's agent writes and reads it (`ecs-agent/tcs` of amazon-ecs-agent)."""

from __future__ import annotations

import json

import msgspec
import pytest

from roadstead.wire import tcs

ZEROS = """{"min": 0, "max": 0, "sampleCount": 0, "sum": 0}"""

TO_AGENT = [
    (tcs.AckPublishMetric(), "{}"),
    (tcs.AckPublishHealth(), "{}"),
    (tcs.AckPublishInstanceStatus(), "{}"),
    (tcs.AckPublishInstanceStatus(message="ok"), """{"message": "ok"}"""),
    (tcs.HeartbeatMessage(), """{"healthy": true}"""),
    (tcs.HeartbeatMessage(healthy=False), """{"healthy": false}"""),
    (tcs.StopTelemetrySessionMessage(message="bye"), """{"message": "bye"}"""),
    (tcs.BadRequestException(message="why"), """{"message": "why"}"""),
    (tcs.InvalidParameterException(message="why"), """{"message": "why"}"""),
    (tcs.ServerException(message="why"), """{"message": "why"}"""),
]

TO_SERVER = [
    (
        tcs.PublishMetricsRequest(
            metadata=tcs.MetricsMetadata(cluster="c", container_instance="i", message_id="m", idle=False, fin=False),
            task_metrics=(
                tcs.TaskMetric(
                    task_arn="t",
                    cluster_arn="c",
                    task_definition_family="f",
                    task_definition_version="1",
                    container_metrics=(
                        tcs.ContainerMetric(
                            container_name="app",
                            container_arn="a",
                            cpu_stats_set=tcs.StatsSet(),
                            memory_stats_set=tcs.StatsSet(min=1.5, max=1.5, sample_count=1, sum=1.5),
                            network_stats_set=tcs.NetworkStatsSet(
                                rx_bytes=tcs.ByteStatsSet(),
                                tx_bytes=tcs.ByteStatsSet(),
                                rx_packets=tcs.ByteStatsSet(),
                                tx_packets=tcs.ByteStatsSet(),
                            ),
                            restart_stats_set=tcs.RestartStatsSet(),
                        ),
                    ),
                ),
            ),
            timestamp=1.5,
        ),
        f"""{{"metadata": {{"cluster": "c", "containerInstance": "i", "messageId": "m", "idle": false, "fin": false}},
            "taskMetrics": [{{"taskArn": "t", "clusterArn": "c", "taskDefinitionFamily": "f", "taskDefinitionVersion": "1",
                "containerMetrics": [{{"containerName": "app", "containerArn": "a", "cpuStatsSet": {ZEROS},
                    "memoryStatsSet": {{"min": 1.5, "max": 1.5, "sampleCount": 1, "sum": 1.5}},
                    "networkStatsSet": {{"rxBytes": {ZEROS}, "txBytes": {ZEROS}, "rxPackets": {ZEROS}, "txPackets": {ZEROS}}},
                    "restartStatsSet": {{"restartCount": 0}}}}]}}],
            "timestamp": 1.5}}""",
    ),
    (
        tcs.PublishMetricsRequest(metadata=tcs.MetricsMetadata(message_id="m", idle=True, fin=True), timestamp=1.5),
        """{"metadata": {"messageId": "m", "idle": true, "fin": true}, "timestamp": 1.5}""",
    ),
    (
        tcs.PublishHealthRequest(
            metadata=tcs.HealthMetadata(cluster="c", container_instance="i", message_id="m", fin=False),
            tasks=(
                tcs.TaskHealth(
                    task_arn="t",
                    cluster_arn="c",
                    task_definition_family="f",
                    task_definition_version="1",
                    containers=(
                        tcs.ContainerHealth(container_name="app", status_since=1.5),
                        tcs.ContainerHealth(container_name="web", health_status="HEALTHY", status_message="fine"),
                    ),
                ),
            ),
            timestamp=1.5,
        ),
        """{"metadata": {"cluster": "c", "containerInstance": "i", "messageId": "m", "fin": false},
            "tasks": [{"taskArn": "t", "clusterArn": "c", "taskDefinitionFamily": "f", "taskDefinitionVersion": "1",
                "containers": [{"containerName": "app", "healthStatus": "UNKNOWN", "statusSince": 1.5},
                    {"containerName": "web", "healthStatus": "HEALTHY", "statusMessage": "fine"}]}],
            "timestamp": 1.5}""",
    ),
    (
        tcs.PublishInstanceStatusRequest(
            metadata=tcs.InstanceStatusMetadata(cluster="c", container_instance="i", request_id="r"),
            statuses=(tcs.InstanceStatus(type="Agent", status="OK", last_updated=2.5, last_status_change=1.5),),
            timestamp=3.5,
        ),
        """{"metadata": {"cluster": "c", "containerInstance": "i", "requestId": "r"},
            "statuses": [{"type": "Agent", "status": "OK", "lastUpdated": 2.5, "lastStatusChange": 1.5}], "timestamp": 3.5}""",
    ),
]

FRAMES = [(tcs.TO_AGENT, *each) for each in TO_AGENT] + [(tcs.TO_SERVER, *each) for each in TO_SERVER]


@pytest.mark.parametrize(("codec", "message", "text"), FRAMES, ids=lambda value: type(value).__name__)
def test_both_ways(codec: tcs.EnvelopeCodec, message: msgspec.Struct, text: str) -> None:
    frame = {"type": type(message).__name__, "message": json.loads(text)}
    assert json.loads(codec.encode(message)) == frame
    assert codec.decode(json.dumps(frame)) == message
