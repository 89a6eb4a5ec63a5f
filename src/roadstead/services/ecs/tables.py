"""Tables of ECS. What a WHERE needs is a column; the rest of an AWS shape is kept as JSON beside it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table

from roadstead.store import Json, Timestamp, metadata

clusters = Table(
    "ecs_clusters",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("spec", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""`spec` holds settings, configuration, capacityProviders, defaultCapacityProviderStrategy, serviceConnectDefaults."""

task_definition_families = Table(
    "ecs_task_definition_families",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("family", String(255), primary_key=True),
    Column("latest_revision", Integer, nullable=False),
    Column("active_revisions", Integer, nullable=False),
)

task_definitions = Table(
    "ecs_task_definitions",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("family", String(255), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("definition", Json, nullable=False),
    Column("registered_by", String(2048), nullable=False),
    Column("registered_at", Timestamp, nullable=False),
    Column("deregistered_at", Timestamp),
    Index("ix_ecs_task_definitions_status", "account", "region", "status", "family", "revision"),
)
"""`definition` is the normalised definition in AWS's shape, without identity, status and times."""

container_instances = Table(
    "ecs_container_instances",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("cluster", String(255), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("arn", String(512), nullable=False, unique=True),
    Column("status", String(24), nullable=False),
    Column("ec2_instance_id", String(64)),
    Column("host", String(64)),
    Column("availability_zone", String(64), nullable=False),
    Column("cpu_total", Integer, nullable=False),
    Column("cpu_free", Integer, nullable=False),
    Column("memory_total", Integer, nullable=False),
    Column("memory_free", Integer, nullable=False),
    Column("ports", Json, nullable=False),
    Column("ports_used", Json, nullable=False),
    Column("attributes", Json, nullable=False),
    Column("version_info", Json, nullable=False),
    Column("version", Integer, nullable=False),
    Column("agent_connected", Boolean, nullable=False),
    Column("agent_server", String(128)),
    Column("agent_seen_at", Timestamp, nullable=False),
    Column("next_seq", Integer, nullable=False),
    Column("registered_at", Timestamp, nullable=False),
    Index("ix_ecs_container_instances_agent_server", "agent_server"),
)
"""CPU in units (1024 a core), memory in MiB. `ports` are those reserved at registration, `ports_used` by tasks: `{"tcp": [], "udp": []}`.

`host` is the host whose namespace its tasks' interfaces appear in; `next_seq` numbers the changes its agent is told of;
`agent_server` is the server that holds the link to its agent, null when there is none; `agent_seen_at` is when its agent last
connected, or left.
"""

tasks = Table(
    "ecs_tasks",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("cluster", String(255), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("arn", String(512), nullable=False, unique=True),
    Column("family", String(255), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("last_status", String(16), nullable=False),
    Column("desired_status", String(16), nullable=False),
    Column("stopped_at", Timestamp),
    Column("state", Json, nullable=False),
    Column("launch_type", String(24), nullable=False),
    Column("started_by", String(128)),
    Column("container_instance_arn", String(512)),
    Column("shows_instance", Boolean, nullable=False),
    Column("interface_id", String(64)),
    Column("cpu", Integer, nullable=False),
    Column("memory", Integer, nullable=False),
    Column("ports", Json, nullable=False),
    Column("resources_held", Boolean, nullable=False),
    Column("spec", Json, nullable=False),
    Column("attachments", Json, nullable=False),
    Column("credentials_id", String(64)),
    Column("execution_credentials_id", String(64)),
    Column("credentials_expire_at", Timestamp),
    Column("sent_seq", Integer, nullable=False),
    Column("acked_seq", Integer, nullable=False),
    Index("ix_ecs_tasks_listing", "account", "region", "cluster", "desired_status", "id"),
    Index("ix_ecs_tasks_instance", "container_instance_arn", "sent_seq"),
    Index("ix_ecs_tasks_interface", "interface_id"),
    Index("ix_ecs_tasks_last_status", "last_status", "stopped_at"),
    Index("ix_ecs_tasks_credentials", "container_instance_arn", "credentials_expire_at"),
)
"""`state` is a `core.lifecycle.task.Task`; its statuses and `stopped_at` are copied out for WHERE.

`spec` is a `services.ecs.records.TaskSpec`, `attachments` AWS's shape. `shows_instance` is false on Fargate, whose pool no user sees.
`resources_held` says that CPU, memory and ports are still booked on the instance. `sent_seq` is the number of the newest change
that its agent must hear of, `acked_seq` of the newest it acknowledged.
"""

tags = Table(
    "ecs_tags",
    metadata,
    Column("arn", String(512), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("tags", Json, nullable=False),
)
"""`tags` is AWS's list of {key, value}, in the order they were given."""

__all__ = ["clusters", "container_instances", "tags", "task_definition_families", "task_definitions", "tasks"]
