"""The documents of the task metadata endpoint, version 4.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html
"""

from __future__ import annotations

from datetime import UTC, datetime

from roadstead.agent.ecs.launch import FARGATE, Launch, endpoint_id, labels
from roadstead.agent.ecs.network.plan import InvalidInterface, plan_network
from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.core.taskengine.model import Health
from roadstead.core.taskengine.states import ContainerState
from roadstead.wire.task import IAMRoleCredentials

Document = dict[str, object]


def credentials_document(credentials: IAMRoleCredentials) -> Document:
    """What SDKs read from AWS_CONTAINER_CREDENTIALS_RELATIVE_URI."""
    return {
        "RoleArn": credentials.role_arn,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": credentials.expiration,
    }


def task_document(record: TaskRecord, launches: dict[str, Launch]) -> Document:
    """The task with all of its containers."""
    task = record.task
    document: Document = {
        "Cluster": task.task_cluster_arn,
        "TaskARN": task.arn,
        "Family": task.family,
        "Revision": task.version,
        "DesiredStatus": str(record.desired),
        "KnownStatus": str(record.status),
        "Limits": _limits(task.cpu, task.memory),
        "AvailabilityZone": task.zone,
        "LaunchType": task.launch_type,
        "Containers": [
            container_document(record, launches, container)
            for container in record.containers.values()
            if container.created_at is not None
        ],
    }
    for name, moment in (
        ("PullStartedAt", record.pull_started_at),
        ("PullStoppedAt", record.pull_stopped_at),
        ("ExecutionStoppedAt", record.stopped_at),
    ):
        if moment is not None:
            document[name] = _time(moment)
    if task.service_name:
        document["ServiceName"] = task.service_name
    if task.launch_type == FARGATE:
        document["ClockDrift"] = {"ClockSynchronizationStatus": "NOT_SYNCHRONIZED"}
    return document


def container_document(record: TaskRecord, launches: dict[str, Launch], container: ContainerRecord) -> Document:
    """One container."""
    task, launch = record.task, launches[container.name]
    declared = launch.container
    document: Document = {
        "DockerId": container.runtime_id,
        "Name": container.name,
        "DockerName": container.name,
        "Image": declared.image,
        "ImageID": container.image_digest,
        "Labels": {**launch.config.labels, **labels(task, container.name)},
        "DesiredStatus": str(record.desired),
        "KnownStatus": str(container.state),
        "Limits": {"CPU": declared.cpu, **({"Memory": declared.memory} if declared.memory else {})},
        "CreatedAt": _time(container.created_at or record.received_at),
        "Type": "NORMAL",
        "ContainerARN": declared.container_arn,
        "LogDriver": launch.log_config.type,
        "LogOptions": launch.log_config.config,
        "Networks": _networks(record),
        "RestartCount": container.restarts,
    }
    if container.started_at is not None:
        document["StartedAt"] = _time(container.started_at)
    if container.state is ContainerState.STOPPED and container.finished_at is not None:
        document["FinishedAt"] = _time(container.finished_at)
        document["ExitCode"] = container.exit_code
    if declared.port_mappings:
        document["Ports"] = [
            {"ContainerPort": port.container_port, "Protocol": port.protocol, "HostPort": port.container_port}
            for port in declared.port_mappings
            if port.container_port is not None
        ]
    if launch.health_rule is not None and container.health.status is not Health.UNKNOWN:
        document["Health"] = {
            "status": str(container.health.status),
            "statusSince": _time(container.health.since),
            "output": container.health.output,
        }
    return document


def container_of_endpoint(record: TaskRecord, identity: str) -> ContainerRecord | None:
    """The container whose metadata URI carries this id."""
    return next((each for name, each in record.containers.items() if endpoint_id(record.task, name) == identity), None)


def _networks(record: TaskRecord) -> list[Document]:
    try:
        plan = plan_network(record.task.elastic_network_interfaces, default_nameserver="")
    except InvalidInterface:
        return [{"NetworkMode": record.task.network_mode}]
    return [
        {
            "NetworkMode": "awsvpc",
            "IPv4Addresses": [str(interface.address.ip)],
            "AttachmentIndex": position,
            "MACAddress": interface.mac,
            "IPv4SubnetCIDRBlock": str(interface.address.network),
            "DomainNameServers": [server for server in plan.nameservers if server],
            "DomainNameSearchList": list(plan.search),
            "PrivateDNSName": plan.hostname,
            "SubnetGatewayIpv4Address": f"{interface.gateway}/{interface.address.network.prefixlen}",
        }
        for position, interface in enumerate(plan.interfaces)
    ]


def _limits(cpu: float, memory: int) -> Document:
    return {**({"CPU": cpu} if cpu else {}), **({"Memory": memory} if memory else {})}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
