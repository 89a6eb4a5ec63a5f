"""Rows of ECS as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from roadstead.core.lifecycle.task import Task

Row = RowMapping
FARGATE_CLUSTER = "fargate"
"""The cluster of the internal account whose instances are the Fargate pool."""
HOST_ATTRIBUTE = "roadstead.host"
"""Attribute by which an agent names the host whose namespace its tasks' interfaces shall appear in."""
RUNTIME_ATTRIBUTE = "roadstead.fargate-runtime"
"""Attribute by which the server tells a pool's agent how to run FARGATE tasks: `gvisor` or `runc`."""


class Ports(msgspec.Struct, frozen=True):
    """Host ports by protocol."""

    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a task was launched with and never changes. `overrides` is AWS's TaskOverride."""

    group: str
    network_mode: str
    cpu: str | None = None
    memory: str | None = None
    overrides: dict[str, Any] = {}
    availability_zone: str | None = None
    capacity_provider: str | None = None
    platform_version: str | None = None
    platform_family: str | None = None
    task_role_arn: str | None = None
    execution_role_arn: str | None = None
    enable_execute_command: bool = False
    reference_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task's row."""

    account: str
    region: str
    cluster: str
    id: str
    arn: str
    family: str
    revision: int
    state: Task
    launch_type: str
    started_by: str | None
    container_instance_arn: str | None
    shows_instance: bool
    interface_id: str | None
    cpu: int
    memory: int
    ports: Ports
    resources_held: bool
    spec: TaskSpec
    attachments: list[dict[str, Any]]
    credentials_id: str | None
    execution_credentials_id: str | None
    credentials_expire_at: datetime | None
    sent_seq: int
    acked_seq: int

    @property
    def cluster_arn(self) -> str:
        """ARN of the task's own cluster."""
        return f"arn:aws:ecs:{self.region}:{self.account}:cluster/{self.cluster}"

    @property
    def task_definition_arn(self) -> str:
        """ARN of the task's definition."""
        return f"arn:aws:ecs:{self.region}:{self.account}:task-definition/{self.family}:{self.revision}"


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """A container instance's row. CPU in units, memory in MiB."""

    account: str
    region: str
    cluster: str
    id: str
    arn: str
    status: str
    ec2_instance_id: str | None
    host: str | None
    availability_zone: str
    cpu_total: int
    cpu_free: int
    memory_total: int
    memory_free: int
    ports: Ports
    ports_used: Ports
    attributes: list[dict[str, Any]]
    version_info: dict[str, Any]
    version: int
    agent_connected: bool
    agent_server: str | None
    agent_seen_at: datetime
    next_seq: int
    registered_at: datetime

    @property
    def cluster_arn(self) -> str:
        """ARN of the instance's cluster."""
        return f"arn:aws:ecs:{self.region}:{self.account}:cluster/{self.cluster}"


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """A cluster's row; `spec` is AWS's shape of settings, configuration, capacity providers and Service Connect defaults."""

    account: str
    region: str
    name: str
    status: str
    spec: dict[str, Any]
    created_at: datetime

    @property
    def arn(self) -> str:
        """The cluster's ARN."""
        return f"arn:aws:ecs:{self.region}:{self.account}:cluster/{self.name}"


@dataclass(frozen=True, slots=True)
class TaskDefinitionRecord:
    """A task definition's row; `definition` is the normalised definition in AWS's shape."""

    account: str
    region: str
    family: str
    revision: int
    status: str
    definition: dict[str, Any]
    registered_by: str
    registered_at: datetime
    deregistered_at: datetime | None

    @property
    def arn(self) -> str:
        """The task definition's ARN."""
        return f"arn:aws:ecs:{self.region}:{self.account}:task-definition/{self.family}:{self.revision}"


def task_of(row: Row) -> TaskRecord:
    """A row of `tasks`."""
    values = {name: row[name] for name in TaskRecord.__slots__}
    values["state"] = msgspec.convert(values["state"], Task)
    values["spec"] = msgspec.convert(values["spec"], TaskSpec)
    values["ports"] = msgspec.convert(values["ports"], Ports)
    return TaskRecord(**values)


def instance_of(row: Row) -> InstanceRecord:
    """A row of `container_instances`."""
    values = {name: row[name] for name in InstanceRecord.__slots__}
    values["ports"] = msgspec.convert(values["ports"], Ports)
    values["ports_used"] = msgspec.convert(values["ports_used"], Ports)
    return InstanceRecord(**values)


def task_definition_of(row: Row) -> TaskDefinitionRecord:
    """A row of `task_definitions`."""
    return TaskDefinitionRecord(**{name: row[name] for name in TaskDefinitionRecord.__slots__})
