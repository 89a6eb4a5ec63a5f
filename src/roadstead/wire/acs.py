"""Messages of the Agent Communication Service websocket, named as Amazon's agent names them.

The agent opens `{endpoint}/ws?clusterArn&containerInstanceArn&agentHash&agentVersion&seqNum&protocolVersion=2&sendCredentials`, signed for
service `ecs`. Frames are envelopes (`wire.envelope`). `generated_at` is milliseconds since the epoch. `timeline` grows with every
payload and manifest; a manifest whose timeline is not above the greatest one seen is discarded by the agent. Amazon's agent compares it
with the `seq_num` of payloads, so that is the payload's timeline too.
"""

from __future__ import annotations

import msgspec

from roadstead.wire.envelope import EnvelopeCodec
from roadstead.wire.members import written
from roadstead.wire.task import ElasticNetworkInterface, IAMRoleCredentials, Task

PROTOCOL_VERSION = 2
TASK_APPLICATION = "TaskApplication"
TASK_EXECUTION = "TaskExecution"


class _Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class HeartbeatMessage(_Message, frozen=True, kw_only=True):
    """The server is there."""

    message_id: str = ""
    healthy: bool = written(True)


class PayloadMessage(_Message, frozen=True, kw_only=True):
    """Tasks whose desired state the agent has not acknowledged."""

    cluster_arn: str = ""
    container_instance_arn: str = ""
    message_id: str = ""
    seq_num: int = written(0)
    generated_at: int = written(0)
    timeline: int = written(0)
    tasks: tuple[Task, ...] = ()


class TaskIdentifier(_Message, frozen=True, kw_only=True):
    """A task by name, and the state it shall reach."""

    task_arn: str
    task_cluster_arn: str = ""
    desired_status: str = written("")


class TaskManifestMessage(_Message, frozen=True, kw_only=True):
    """Every task that the server means to be on the instance."""

    cluster_arn: str = ""
    container_instance_arn: str = ""
    message_id: str = ""
    generated_at: int = written(0)
    timeline: int = written(0)
    tasks: tuple[TaskIdentifier, ...] = ()


class TaskStopVerificationMessage(_Message, frozen=True, kw_only=True):
    """Tasks that run here and that the manifest `message_id` does not name."""

    message_id: str = ""
    stop_candidates: tuple[TaskIdentifier, ...] = ()


class TaskStopVerificationAck(_Message, frozen=True, kw_only=True):
    """Those of the candidates that shall stop."""

    message_id: str = ""
    generated_at: int = written(0)
    stop_tasks: tuple[TaskIdentifier, ...] = ()


class IAMRoleCredentialsMessage(_Message, frozen=True, kw_only=True):
    """Fresh credentials of a task; `role_type` is TaskApplication or TaskExecution."""

    task_arn: str = ""
    task_cluster_arn: str = ""
    message_id: str = ""
    role_type: str = written(TASK_APPLICATION)
    role_credentials: IAMRoleCredentials | None = None


class AttachTaskNetworkInterfacesMessage(_Message, frozen=True, kw_only=True):
    """Interfaces that the agent shall wait for, up to `wait_timeout_ms`."""

    cluster_arn: str = ""
    container_instance_arn: str = ""
    message_id: str = ""
    generated_at: int = written(0)
    task_arn: str = ""
    task_cluster_arn: str = ""
    elastic_network_interfaces: tuple[ElasticNetworkInterface, ...] = ()
    wait_timeout_ms: int = written(0)


class PerformUpdateMessage(_Message, frozen=True, kw_only=True):
    """Asks the agent to update itself."""

    cluster_arn: str = ""
    container_instance_arn: str = ""
    message_id: str = ""


class CloseMessage(_Message, frozen=True, kw_only=True):
    """The server is about to close the link: connect again."""

    message: str = ""


class ErrorMessage(_Message, frozen=True, kw_only=True):
    """The server could not handle what it was sent."""

    message: str = ""


class AckRequest(_Message, frozen=True, kw_only=True):
    """A payload, manifest or attachment message was handled."""

    cluster: str = ""
    container_instance: str = ""
    message_id: str = ""


class NackRequest(_Message, frozen=True, kw_only=True):
    """A message could not be handled."""

    cluster: str = ""
    container_instance: str = ""
    message_id: str = ""
    reason: str = ""


class HeartbeatAckRequest(_Message, frozen=True, kw_only=True):
    """The agent is there."""

    message_id: str = ""


class IAMRoleCredentialsAckRequest(_Message, frozen=True, kw_only=True):
    """Credentials were taken over."""

    message_id: str = ""
    credentials_id: str = ""
    expiration: str = ""


class _Refusal(_Message, frozen=True, kw_only=True):
    message: str = ""


class AccessDeniedException(_Refusal, frozen=True, kw_only=True):
    """The agent may not do this."""


class BadRequestException(_Refusal, frozen=True, kw_only=True):
    """The request makes no sense."""


class InactiveInstanceException(_Refusal, frozen=True, kw_only=True):
    """The container instance was deregistered."""


class InvalidClusterException(_Refusal, frozen=True, kw_only=True):
    """There is no such cluster."""


class InvalidInstanceException(_Refusal, frozen=True, kw_only=True):
    """There is no such container instance."""


class ServerException(_Refusal, frozen=True, kw_only=True):
    """The server failed."""


Refusal = (
    AccessDeniedException
    | BadRequestException
    | InactiveInstanceException
    | InvalidClusterException
    | InvalidInstanceException
    | ServerException
)

TO_AGENT = EnvelopeCodec(
    HeartbeatMessage,
    PayloadMessage,
    TaskManifestMessage,
    TaskStopVerificationAck,
    IAMRoleCredentialsMessage,
    AttachTaskNetworkInterfacesMessage,
    PerformUpdateMessage,
    CloseMessage,
    ErrorMessage,
    AccessDeniedException,
    BadRequestException,
    InactiveInstanceException,
    InvalidClusterException,
    InvalidInstanceException,
    ServerException,
)
"""What a server sends."""

TO_SERVER = EnvelopeCodec(
    AckRequest,
    NackRequest,
    HeartbeatAckRequest,
    IAMRoleCredentialsAckRequest,
    TaskStopVerificationMessage,
)
"""What an agent sends."""
