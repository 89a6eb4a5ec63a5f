"""A task as its agent is told of it: the Agent Communication Service's Task.

How a FARGATE task is isolated travels once, as the attribute `roadstead.fargate-runtime` (`gvisor` or `runc`) in the answer to
RegisterContainerInstance: Amazon's agent ignores attributes that it did not send.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any, Literal, Protocol

import msgspec

from roadstead.core.lifecycle.states import DesiredStatus
from roadstead.core.network.addresses import dns_domain, router
from roadstead.core.taskdef import overrides as task_overrides
from roadstead.core.taskdef.shapes import containers, inner, network_mode
from roadstead.kernel.settings import RESOLVER_ADDRESS, Deployment
from roadstead.services.ec2 import api as ec2
from roadstead.services.ecs.container_payloads import container_payload
from roadstead.services.ecs.records import TaskDefinitionRecord, TaskRecord
from roadstead.services.ecs.task_definitions import definition_at
from roadstead.store import Transaction
from roadstead.wire.task import (
    DockerVolumeConfiguration,
    ElasticNetworkInterface,
    HostVolumeProperties,
    IAMRoleCredentials,
    IPv4AddressAssignment,
    Task,
    Volume,
)

RoleType = Literal["TaskApplication", "TaskExecution"]
ROLE_TYPES: tuple[RoleType, ...] = ("TaskApplication", "TaskExecution")
Shape = dict[str, Any]
_VOLUME_TYPES = {
    "efsVolumeConfiguration": "efs",
    "fsxWindowsFileServerVolumeConfiguration": "fsxWindowsFileServer",
    "s3filesVolumeConfiguration": "s3files",
    "configuredAtLaunch": "ebs",
}


class CredentialsIssuer(Protocol):
    """Opens sessions for tasks (`services.sts.api.TaskSessions`)."""

    async def __call__(
        self, tx: Transaction, *, role_arn: str, task_arn: str, role_type: RoleType
    ) -> IAMRoleCredentials | None:
        """A session of the role for the task; None when the role is gone or does not trust ecs-tasks.amazonaws.com."""
        ...


@dataclass(frozen=True, slots=True)
class Payloads:
    """What building payloads needs of the server."""

    deployment: Deployment
    issue: CredentialsIssuer


@dataclass(frozen=True, slots=True)
class Issued:
    """A payload, and when the first of its credentials ends (None without any)."""

    task: Task
    expires_at: datetime | None


class Untellable(Exception):
    """No payload can be made of the task's definition and overrides; the text is the kind of error."""


async def build(tx: Transaction, payloads: Payloads, row: TaskRecord) -> Issued | None:
    """The task's payload with fresh credentials; None when its definition is gone. A task that shall stop gets no credentials.

    Raises Untellable.
    """
    definition = await definition_at(tx, row.account, row.region, row.family, row.revision)
    if definition is None:
        return None
    try:
        told = _task(payloads, row, definition)
    except Exception as error:
        raise Untellable(type(error).__name__) from error
    wanted = row.state.desired_status is DesiredStatus.RUNNING
    application = await credentials(tx, payloads, row, "TaskApplication") if wanted else None
    execution = await credentials(tx, payloads, row, "TaskExecution") if wanted else None
    task = Task(
        **told,
        elastic_network_interfaces=await _interfaces(tx, row),
        role_credentials=application[0] if application else None,
        execution_role_credentials=execution[0] if execution else None,
    )
    ends = [each[1] for each in (application, execution) if each]
    return Issued(task, min(ends) if ends else None)


async def credentials(
    tx: Transaction, payloads: Payloads, row: TaskRecord, role_type: RoleType
) -> tuple[IAMRoleCredentials, datetime] | None:
    """A session of the task's role, and its end; None without the role, or when it can't be assumed any more.

    The id stays the task's own, because running containers know their credentials' URL by it.
    """
    application = role_type == "TaskApplication"
    role = row.spec.task_role_arn if application else row.spec.execution_role_arn
    id = row.credentials_id if application else row.execution_credentials_id
    if role is None or id is None:
        return None
    session = await payloads.issue(tx, role_arn=role, task_arn=row.arn, role_type=role_type)
    if session is None:
        # The agent reports what then fails in the task's own words.
        return None
    return msgspec.structs.replace(session, credentials_id=id), datetime.fromisoformat(session.expiration)


def _task(payloads: Payloads, row: TaskRecord, definition: TaskDefinitionRecord) -> Shape:
    effective = task_overrides.apply(definition.definition, row.spec.overrides)
    ids = {container.name: container.id for container in row.state.containers}
    return {
        "arn": row.arn,
        "task_cluster_arn": row.cluster_arn,
        "family": row.family,
        "version": str(row.revision),
        "desired_status": row.state.desired_status.value,
        "overrides": "{}",
        "zone": row.spec.availability_zone or "",
        "task_definition_account_id": row.account,
        "containers": tuple(
            container_payload(
                payloads.deployment,
                row,
                each,
                container_arn=f"arn:aws:ecs:{row.region}:{row.account}:container/{row.cluster}/{row.id}/{ids[each['name']]}",
            )
            for each in containers(effective)
        ),
        "volumes": tuple(volume_payload(each) for each in effective.get("volumes") or ()),
        "cpu": int(effective["cpu"]) / 1024 if effective.get("cpu") else 0.0,
        "memory": int(effective["memory"]) if effective.get("memory") else 0,
        "pid_mode": effective.get("pidMode") or "",
        "ipc_mode": effective.get("ipcMode") or "",
        "launch_type": row.launch_type,
        "network_mode": network_mode(effective),
        "group": row.spec.group,
        "enable_fault_injection": bool(effective.get("enableFaultInjection")),
    }


async def _interfaces(tx: Transaction, row: TaskRecord) -> tuple[ElasticNetworkInterface, ...]:
    interface = await ec2.interface_by_id(tx, row.interface_id) if row.interface_id else None
    if interface is None:
        return ()
    subnet = await ec2.subnet_by_id(tx, account=interface.account, region=interface.region, id=interface.subnet_id)
    if subnet is None:
        return ()
    network = IPv4Network(subnet.cidr)
    return (
        ElasticNetworkInterface(
            ec2_id=interface.id,
            mac_address=interface.mac_address,
            attachment_arn=interface.description,
            ipv4_addresses=(IPv4AddressAssignment(private_address=interface.private_ip, primary=True),),
            subnet_gateway_ipv4_address=f"{router(network)}/{network.prefixlen}",
            private_dns_name=interface.private_dns_name,
            domain_name=(dns_domain(interface.region),),
            domain_name_servers=(RESOLVER_ADDRESS,),
        ),
    )


def volume_payload(given: Shape) -> Volume:
    """A volume of a kind that is not built goes out by its type alone, for the agent to refuse: never as a directory of the host."""
    for member, kind in _VOLUME_TYPES.items():
        if given.get(member):
            return Volume(name=given["name"], type=kind)
    docker: Shape | None = given.get("dockerVolumeConfiguration")
    if docker is None:
        source = inner(given, "host").get("sourcePath") or ""
        return Volume(name=given["name"], type="host", host=HostVolumeProperties(source_path=source))
    return Volume(
        name=given["name"],
        type="docker",
        docker_volume_configuration=DockerVolumeConfiguration(
            scope=docker.get("scope") or "task",
            driver=docker.get("driver") or "local",
            autoprovision=bool(docker.get("autoprovision")),
            driver_opts=docker.get("driverOpts") or {},
            labels=docker.get("labels") or {},
        ),
    )
