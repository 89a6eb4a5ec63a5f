"""From rows to the shapes that the API answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadstead.core.lifecycle.states import TaskStatus
from roadstead.core.lifecycle.task import Container, ManagedAgent, NetworkBinding, health
from roadstead.services.ecs.records import ClusterRecord, InstanceRecord, Ports, TaskDefinitionRecord, TaskRecord
from roadstead.services.ecs.tag_rows import Tags

Shape = dict[str, Any]

PENDING_STATUSES = (TaskStatus.PROVISIONING, TaskStatus.PENDING, TaskStatus.ACTIVATING)
"""What `pendingTasksCount` counts."""


@dataclass(frozen=True, slots=True)
class ClusterCounts:
    """How many instances and tasks a cluster has."""

    instances: int
    running: int
    pending: int
    stopping: int


def cluster_view(row: ClusterRecord, counts: ClusterCounts, tags: Tags, include: Sequence[str]) -> Shape:
    """A Cluster without statistics; settings, configuration and tags only where `include` asks for them."""
    view: Shape = {
        "clusterArn": row.arn,
        "clusterName": row.name,
        "status": row.status,
        "registeredContainerInstancesCount": counts.instances,
        "runningTasksCount": counts.running,
        "pendingTasksCount": counts.pending,
        "activeServicesCount": 0,
        "statistics": [],
        "tags": tags if "TAGS" in include else [],
        "settings": row.spec.get("settings", []) if "SETTINGS" in include else [],
        "capacityProviders": row.spec.get("capacityProviders", []),
        "defaultCapacityProviderStrategy": row.spec.get("defaultCapacityProviderStrategy", []),
    }
    if "CONFIGURATIONS" in include and "configuration" in row.spec:
        view["configuration"] = row.spec["configuration"]
    if "serviceConnectDefaults" in row.spec:
        view["serviceConnectDefaults"] = row.spec["serviceConnectDefaults"]
    return view


def cluster_statistics(tasks: Mapping[str, Mapping[str, int]]) -> list[Shape]:
    """A Cluster's `statistics` of its tasks' numbers by launch type and status. There are no services yet, which is none of each."""
    found: dict[str, int] = {}
    for launch_type, name in (("EC2", "EC2"), ("FARGATE", "Fargate")):
        numbers = tasks.get(launch_type, {})
        found[f"running{name}TasksCount"] = numbers.get(TaskStatus.RUNNING.value, 0)
        found[f"pending{name}TasksCount"] = sum(numbers.get(status.value, 0) for status in PENDING_STATUSES)
        found[f"active{name}ServiceCount"] = found[f"draining{name}ServiceCount"] = 0
    return [{"name": name, "value": str(number)} for name, number in found.items()]


def task_definition_view(row: TaskDefinitionRecord) -> Shape:
    """A TaskDefinition."""
    return {
        **row.definition,
        "taskDefinitionArn": row.arn,
        "family": row.family,
        "revision": row.revision,
        "status": row.status,
        "registeredAt": row.registered_at,
        "registeredBy": row.registered_by,
        **_given(deregisteredAt=row.deregistered_at),
    }


def instance_view(row: InstanceRecord, running: int, pending: int, tags: Tags) -> Shape:
    """A ContainerInstance; `tags` empty unless they were asked for."""
    used = Ports(tcp=row.ports.tcp + row.ports_used.tcp, udp=row.ports.udp + row.ports_used.udp)
    return {
        "containerInstanceArn": row.arn,
        "version": row.version,
        "versionInfo": row.version_info,
        "remainingResources": _resources(row.cpu_free, row.memory_free, used),
        "registeredResources": _resources(row.cpu_total, row.memory_total, row.ports),
        "status": row.status,
        "agentConnected": row.agent_connected,
        "runningTasksCount": running,
        "pendingTasksCount": pending,
        "attributes": row.attributes,
        "registeredAt": row.registered_at,
        "attachments": [],
        "tags": tags,
        **_given(ec2InstanceId=row.ec2_instance_id),
    }


def _resources(cpu: int, memory: int, ports: Ports) -> list[Shape]:
    numbers = [
        {"name": name, "type": "INTEGER", **_number(value)} for name, value in (("CPU", cpu), ("MEMORY", memory))
    ]
    sets = (("PORTS", ports.tcp), ("PORTS_UDP", ports.udp))
    return numbers + [
        {"name": name, "type": "STRINGSET", **_zero(), "stringSetValue": [str(port) for port in values]}
        for name, values in sets
    ]


def _number(value: int) -> Shape:
    return {"doubleValue": 0.0, "longValue": 0, "integerValue": value}


def _zero() -> Shape:
    return _number(0)


def task_view(row: TaskRecord, definition: TaskDefinitionRecord | None, tags: Tags) -> Shape:
    """A Task; `definition` gives the containers' images and sizes."""
    state, spec = row.state, row.spec
    images = {each["name"]: each for each in (definition.definition["containerDefinitions"] if definition else ())}
    overridden = {each.get("name"): each for each in spec.overrides.get("containerOverrides") or ()}
    interfaces = _interfaces(row)
    return {
        "taskArn": row.arn,
        "clusterArn": row.cluster_arn,
        "taskDefinitionArn": row.task_definition_arn,
        "lastStatus": state.last_status.value,
        "desiredStatus": state.desired_status.value,
        "version": state.version,
        "launchType": row.launch_type,
        "group": spec.group,
        "overrides": spec.overrides,
        "attributes": [],
        "attachments": _attachments(row),
        "containers": [
            _container(row, each, {**images.get(each.name, {}), **overridden.get(each.name, {})}, interfaces)
            for each in state.containers
        ],
        "createdAt": state.created_at,
        "enableExecuteCommand": spec.enable_execute_command,
        "healthStatus": health(state).value,
        "inferenceAccelerators": [],
        "connectivity": state.connectivity.value,
        "tags": tags,
        **_given(
            cpu=spec.cpu,
            memory=spec.memory,
            availabilityZone=spec.availability_zone,
            capacityProviderName=spec.capacity_provider,
            platformVersion=spec.platform_version,
            platformFamily=spec.platform_family,
            startedBy=row.started_by,
            containerInstanceArn=row.container_instance_arn if row.shows_instance else None,
            connectivityAt=state.connectivity_at,
            pullStartedAt=state.pull_started_at,
            pullStoppedAt=state.pull_stopped_at,
            startedAt=state.started_at,
            stoppingAt=state.stopping_at,
            executionStoppedAt=state.execution_stopped_at,
            stoppedAt=state.stopped_at,
            stopCode=state.stop_code.value if state.stop_code else None,
            stoppedReason=state.stopped_reason,
        ),
    }


def _container(row: TaskRecord, container: Container, definition: Shape, interfaces: list[Shape]) -> Shape:
    return {
        "containerArn": container_arn(row, container),
        "taskArn": row.arn,
        "name": container.name,
        "lastStatus": container.last_status.value,
        "healthStatus": container.health.value,
        "networkBindings": [_binding(each) for each in container.network_bindings],
        "networkInterfaces": interfaces,
        "managedAgents": [_agent(each) for each in container.managed_agents],
        "cpu": str(definition.get("cpu") or 0),
        **_given(
            image=definition.get("image"),
            imageDigest=container.image_digest,
            runtimeId=container.runtime_id,
            exitCode=container.exit_code,
            reason=container.reason,
            memory=_text(definition.get("memory")),
            memoryReservation=_text(definition.get("memoryReservation")),
        ),
    }


def container_arn(row: TaskRecord, container: Container) -> str:
    """The ARN of a task's container."""
    return f"arn:aws:ecs:{row.region}:{row.account}:container/{row.cluster}/{row.id}/{container.id}"


def _binding(binding: NetworkBinding) -> Shape:
    return _given(
        bindIP=binding.bind_ip,
        containerPort=binding.container_port,
        hostPort=binding.host_port,
        protocol=binding.protocol,
        containerPortRange=binding.container_port_range,
        hostPortRange=binding.host_port_range,
    )


def _agent(agent: ManagedAgent) -> Shape:
    return _given(
        name=agent.name, lastStatus=agent.last_status, reason=agent.reason, lastStartedAt=agent.last_started_at
    )


_ATTACHMENT_STATUS = {
    TaskStatus.PROVISIONING: "ATTACHING",
    TaskStatus.DEPROVISIONING: "DETACHING",
    TaskStatus.STOPPED: "DELETED",
}


def _attachments(row: TaskRecord) -> list[Shape]:
    status = _ATTACHMENT_STATUS.get(row.state.last_status, "ATTACHED")
    return [{**attachment, "status": status} for attachment in row.attachments]


def _interfaces(row: TaskRecord) -> list[Shape]:
    found: list[Shape] = []
    for attachment in row.attachments:
        details = {each["name"]: each["value"] for each in attachment["details"]}
        if "privateIPv4Address" in details:
            found.append({"attachmentId": attachment["id"], "privateIpv4Address": details["privateIPv4Address"]})
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _given(**members: object) -> Shape:
    return {name: value for name, value in members.items() if value is not None}
