"""SubmitTaskStateChange, SubmitContainerStateChange, SubmitAttachmentStateChanges: what agents report.

Reports of one task come in order, and may come twice. An InvalidParameterException makes an agent drop the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from roadstead.core.lifecycle.states import ContainerStatus, DesiredStatus
from roadstead.core.lifecycle.task import (
    ContainerReport,
    ManagedAgent,
    NetworkBinding,
    Task,
    TaskReport,
    provisioned,
    report,
)
from roadstead.kernel.arn import Arn
from roadstead.services.ecs import task_rows
from roadstead.services.ecs.errors import InvalidParameterException
from roadstead.services.ecs.guarded import named_cluster
from roadstead.services.ecs.identifiers import cluster_name
from roadstead.services.ecs.records import TaskRecord
from roadstead.services.ecs.tables import tasks as table
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import (
        SubmitAttachmentStateChangesRequestTypeDef,
        SubmitContainerStateChangeRequestTypeDef,
        SubmitTaskStateChangeRequestTypeDef,
    )

Shape = dict[str, Any]
ACKNOWLEDGED: Shape = {"acknowledgment": "ACCEPT"}
MAX_REASON = 1024
"""Characters of a reason that are kept."""


@operation("ecs:SubmitTaskStateChange", resources=named_cluster)
async def submit_task_state_change(ctx: Context, request: SubmitTaskStateChangeRequestTypeDef) -> Shape:
    """Fold an agent's report into its task."""
    task = await _reported(ctx, request.get("cluster"), request.get("task"))
    agents = _agents(request.get("managedAgents") or ())
    containers = [_container(cast("Shape", each), agents) for each in request.get("containers") or ()]
    named = {each.name for each in containers}
    containers += [
        ContainerReport(name=name, managed_agents=tuple(each)) for name, each in agents.items() if name not in named
    ]
    given = TaskReport(
        status=_status(request.get("status")),
        reason=_reason(request.get("reason")),
        containers=tuple(containers),
        pull_started_at=cast("Any", request.get("pullStartedAt")),
        pull_stopped_at=cast("Any", request.get("pullStoppedAt")),
        execution_stopped_at=cast("Any", request.get("executionStoppedAt")),
    )
    state = _attached(task.state, cast("list[Shape]", request.get("attachments") or []))
    await task_rows.save_state(ctx.tx, task, report(state, given, now=ctx.clock.now()))
    return ACKNOWLEDGED


@operation("ecs:SubmitContainerStateChange", resources=named_cluster)
async def submit_container_state_change(ctx: Context, request: SubmitContainerStateChangeRequestTypeDef) -> Shape:
    """Fold an agent's report on one container into its task."""
    task = await _reported(ctx, request.get("cluster"), request.get("task"))
    given = TaskReport(containers=(_container(cast("Shape", request), {}),))
    await task_rows.save_state(ctx.tx, task, report(task.state, given, now=ctx.clock.now()))
    return ACKNOWLEDGED


@operation("ecs:SubmitAttachmentStateChanges", resources=named_cluster)
async def submit_attachment_state_changes(ctx: Context, request: SubmitAttachmentStateChangesRequestTypeDef) -> Shape:
    """An agent has (ATTACHED) the interfaces of some attachments."""
    for change in request["attachments"]:
        id = change["attachmentArn"].rsplit("/", 1)[-1]
        for task in await task_rows.select_tasks(
            ctx.tx, table.c.desired_status == DesiredStatus.RUNNING, table.c.last_status == "PROVISIONING"
        ):
            if any(attachment["id"] == id for attachment in task.attachments) and _is_callers(ctx, task):
                await task_rows.save_state(ctx.tx, task, _attached(task.state, [cast("Shape", change)]))
    return ACKNOWLEDGED


async def _reported(ctx: Context, cluster: str | None, reference: str | None) -> TaskRecord:
    """The task, when the caller's account owns the instance that runs it."""
    task = None
    if reference and reference.startswith("arn:"):
        task = await task_rows.by_arn(ctx.tx, reference)
    elif reference:
        name = cluster_name(ctx, cluster)
        task = await task_rows.by_id(ctx.tx, ctx.account, ctx.region, name, reference) if name else None
    if task is None or not _is_callers(ctx, task):
        raise InvalidParameterException("The referenced task was not found.")
    return task


def _is_callers(ctx: Context, task: TaskRecord) -> bool:
    if task.container_instance_arn is None:
        return False
    return Arn.parse(task.container_instance_arn).account == ctx.account


def _attached(state: Task, changes: Iterable[Shape]) -> Task:
    return provisioned(state) if any(change.get("status") == "ATTACHED" for change in changes) else state


def _status(text: str | None) -> ContainerStatus | None:
    if not text:
        return None
    try:
        return ContainerStatus(text)
    except ValueError as error:
        raise InvalidParameterException(f"status {text} is not one of PENDING, RUNNING, STOPPED.") from error


def _container(given: Shape, agents: Mapping[str, list[ManagedAgent]]) -> ContainerReport:
    name = given.get("containerName") or ""
    bindings: list[Shape] | None = given.get("networkBindings")
    return ContainerReport(
        name=name,
        status=_status(given.get("status")),
        exit_code=given.get("exitCode"),
        reason=_reason(given.get("reason")),
        runtime_id=given.get("runtimeId"),
        image_digest=given.get("imageDigest"),
        network_bindings=None if bindings is None else tuple(_binding(each) for each in bindings),
        managed_agents=tuple(agents[name]) if name in agents else None,
    )


def _binding(given: Shape) -> NetworkBinding:
    return NetworkBinding(
        bind_ip=given.get("bindIP"),
        container_port=given.get("containerPort"),
        host_port=given.get("hostPort"),
        protocol=given.get("protocol"),
        container_port_range=given.get("containerPortRange"),
        host_port_range=given.get("hostPortRange"),
    )


def _agents(given: Iterable[Any]) -> dict[str, list[ManagedAgent]]:
    found: dict[str, list[ManagedAgent]] = {}
    for each in given:
        agent = ManagedAgent(name=each["managedAgentName"], last_status=each["status"], reason=each.get("reason"))
        found.setdefault(each["containerName"], []).append(agent)
    return found


def _reason(text: str | None) -> str | None:
    return text[:MAX_REASON] if text else None
