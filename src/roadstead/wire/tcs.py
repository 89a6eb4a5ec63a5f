"""Messages of the telemetry websocket, named as Amazon's agent names them.

The agent opens `{telemetryEndpoint}/ws?cluster&containerInstance&agentVersion&agentHash`, signed for service `ecs`, and publishes
every 20 seconds, at most ten tasks a message; `metadata.fin` marks the last message of a round. Timestamps are seconds since the epoch.
"""

from __future__ import annotations

import msgspec

from roadstead.wire.envelope import EnvelopeCodec
from roadstead.wire.members import written

TASKS_IN_MESSAGE = 10
PUBLISH_INTERVAL = 20.0
"""Seconds between two rounds."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class StatsSet(_Message, frozen=True, kw_only=True):
    """Samples of one round, summed up; CPU in percent, memory in MiB."""

    min: float = written(0.0)
    max: float = written(0.0)
    sample_count: int = written(0)
    sum: float = written(0.0)


class ByteStatsSet(_Message, frozen=True, kw_only=True):
    """Samples of a byte or packet counter."""

    min: int = written(0)
    max: int = written(0)
    sample_count: int = written(0)
    sum: int = written(0)


class NetworkStatsSet(_Message, frozen=True, kw_only=True):
    """Traffic of a task."""

    rx_bytes: ByteStatsSet | None = None
    tx_bytes: ByteStatsSet | None = None
    rx_packets: ByteStatsSet | None = None
    tx_packets: ByteStatsSet | None = None


class RestartStatsSet(_Message, frozen=True, kw_only=True):
    """How often the restart policy started the container again."""

    restart_count: int = written(0)


class ContainerMetric(_Message, frozen=True, kw_only=True):
    """One container's round."""

    container_name: str = ""
    container_arn: str = ""
    cpu_stats_set: StatsSet | None = None
    memory_stats_set: StatsSet | None = None
    network_stats_set: NetworkStatsSet | None = None
    restart_stats_set: RestartStatsSet | None = None


class TaskMetric(_Message, frozen=True, kw_only=True):
    """One task's round."""

    task_arn: str = ""
    cluster_arn: str = ""
    task_definition_family: str = ""
    task_definition_version: str = ""
    container_metrics: tuple[ContainerMetric, ...] = ()


class MetricsMetadata(_Message, frozen=True, kw_only=True):
    """Whose metrics these are; `idle` where no task runs."""

    cluster: str = ""
    container_instance: str = ""
    message_id: str = ""
    idle: bool | None = None
    fin: bool | None = None


class PublishMetricsRequest(_Message, frozen=True, kw_only=True):
    """A page of a round of metrics."""

    metadata: MetricsMetadata | None = None
    task_metrics: tuple[TaskMetric, ...] = ()
    timestamp: float | str | None = None


class ContainerHealth(_Message, frozen=True, kw_only=True):
    """`health_status` is HEALTHY, UNHEALTHY or UNKNOWN."""

    container_name: str = ""
    health_status: str = written("UNKNOWN")
    status_since: float | str | None = None
    status_message: str = ""


class TaskHealth(_Message, frozen=True, kw_only=True):
    """Health of those containers of a task that have a check."""

    task_arn: str = ""
    cluster_arn: str = ""
    task_definition_family: str = ""
    task_definition_version: str = ""
    containers: tuple[ContainerHealth, ...] = ()


class HealthMetadata(_Message, frozen=True, kw_only=True):
    """Whose health this is."""

    cluster: str = ""
    container_instance: str = ""
    message_id: str = ""
    fin: bool | None = None


class PublishHealthRequest(_Message, frozen=True, kw_only=True):
    """A page of a round of health."""

    metadata: HealthMetadata | None = None
    tasks: tuple[TaskHealth, ...] = ()
    timestamp: float | str | None = None


class InstanceStatus(_Message, frozen=True, kw_only=True):
    """A check of the instance itself: `type` ContainerRuntime or Agent, `status` OK, IMPAIRED, INITIALIZING or INSUFFICIENT_DATA."""

    type: str = ""
    status: str = ""
    status_reason: str = ""
    last_updated: float | str | None = None
    last_status_change: float | str | None = None


class InstanceStatusMetadata(_Message, frozen=True, kw_only=True):
    """Whose status this is."""

    cluster: str = ""
    container_instance: str = ""
    request_id: str = ""


class PublishInstanceStatusRequest(_Message, frozen=True, kw_only=True):
    """The instance's own checks."""

    metadata: InstanceStatusMetadata | None = None
    statuses: tuple[InstanceStatus, ...] = ()
    timestamp: float | str | None = None


class AckPublishMetric(_Message, frozen=True, kw_only=True):
    """A page of metrics arrived."""

    message: str = ""


class AckPublishHealth(_Message, frozen=True, kw_only=True):
    """A page of health arrived."""

    message: str = ""


class AckPublishInstanceStatus(_Message, frozen=True, kw_only=True):
    """The instance's checks arrived."""

    message: str = ""


class HeartbeatMessage(_Message, frozen=True, kw_only=True):
    """The server is there."""

    healthy: bool = written(True)


class StopTelemetrySessionMessage(_Message, frozen=True, kw_only=True):
    """The server ends the session."""

    message: str = ""


class BadRequestException(_Message, frozen=True, kw_only=True):
    """The request makes no sense."""

    message: str = ""


class InvalidParameterException(_Message, frozen=True, kw_only=True):
    """A parameter is wrong."""

    message: str = ""


class ServerException(_Message, frozen=True, kw_only=True):
    """The server failed."""

    message: str = ""


TO_AGENT = EnvelopeCodec(
    AckPublishMetric,
    AckPublishHealth,
    AckPublishInstanceStatus,
    HeartbeatMessage,
    StopTelemetrySessionMessage,
    BadRequestException,
    InvalidParameterException,
    ServerException,
)
"""What a server sends."""

TO_SERVER = EnvelopeCodec(PublishMetricsRequest, PublishHealthRequest, PublishInstanceStatusRequest)
"""What an agent sends."""
