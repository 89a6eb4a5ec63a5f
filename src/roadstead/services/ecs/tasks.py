"""RunTask, StopTask, DescribeTasks, ListTasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import false, select

from roadstead.access.resource import KeyValues, Named
from roadstead.core.lifecycle.states import StopCode
from roadstead.core.lifecycle.stopping import STOPPED_BY_USER
from roadstead.core.lifecycle.task import request_stop
from roadstead.services.ecs import clusters, container_instances, run_request, tag_rows, task_rows
from roadstead.services.ecs.errors import (
    ConflictException,
    InvalidParameterException,
    ServiceNotFoundException,
)
from roadstead.services.ecs.guarded import (
    authorise_tags,
    capacity_providers,
    guarded,
    guarded_each,
    members,
    request_tags,
    requested_cluster,
    sizes,
)
from roadstead.services.ecs.identifiers import cluster_name, member_of, task_definition
from roadstead.services.ecs.launch import launch_one, pool
from roadstead.services.ecs.paging import ecs_page, listed
from roadstead.services.ecs.records import ClusterRecord, TaskRecord
from roadstead.services.ecs.tables import tasks as table
from roadstead.services.ecs.task_definitions import definition_at, find_definition
from roadstead.services.ecs.views import task_view
from roadstead.services.operation import Context, operation
from roadstead.services.unbuilt import refuse_unbuilt
from roadstead.store.idempotency import ClientToken, remember_response, stored_response

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import (
        DescribeTasksRequestTypeDef,
        ListTasksRequestTypeDef,
        RunTaskRequestTypeDef,
        StopTaskRequestTypeDef,
    )

Shape = dict[str, Any]
MAX_REASON = 1024


async def _run(ctx: Context, request: RunTaskRequestTypeDef) -> Sequence[Named]:
    family, revision = task_definition(ctx, request["taskDefinition"])
    if revision is None:
        latest = await find_definition(ctx, family, None)
        revision = latest.revision if latest else None
    return [guarded(ctx.tx, ctx.arn("ecs", f"task-definition/{family}:{revision or '*'}"))]


async def _run_keys(ctx: Context, request: Shape) -> KeyValues:
    strategy: list[Shape] = request.get("capacityProviderStrategy") or []
    volumes: list[Shape] = request.get("volumeConfigurations") or []
    return {
        **await request_tags(ctx, request),
        **capacity_providers(ctx, [item["capacityProvider"] for item in strategy]),
        **sizes(request.get("overrides") or {}),
        "ecs:cluster": str(requested_cluster(ctx, request)),
        "ecs:enable-execute-command": "true" if request.get("enableExecuteCommand") else "false",
        "ecs:enable-ebs-volumes": "true" if any(each.get("managedEBSVolume") for each in volumes) else "false",
    }


async def _named(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    references: list[str | None] = request.get("tasks") or [request.get("task")]
    return guarded_each(ctx.tx, members(ctx, "task", request, references))


async def _listed(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    return guarded_each(ctx.tx, members(ctx, "container-instance", request, [request.get("containerInstance")]))


@operation("ecs:RunTask", resources=_run, keys=_run_keys)
async def run_task(ctx: Context, request: RunTaskRequestTypeDef) -> Shape:
    """Start up to ten tasks. What finds no place is a failure beside the tasks that did; a repeated client token starts nothing."""
    given = cast("Shape", request)
    cluster = cluster_name(ctx, request.get("cluster")) or "*"
    await authorise_tags(ctx, "RunTask", ctx.arn("ecs", f"task/{cluster}/*"), given)
    token = _token(ctx, request.get("clientToken"))
    if token is not None:
        earlier = await _earlier(ctx, token, given)
        if earlier is not None:
            return {"tasks": await _views(ctx, earlier, with_tags=True), "failures": []}
    launch, providers = await run_request.read(ctx, given)
    if not launch.is_fargate and not await pool(ctx, launch):
        raise InvalidParameterException("No Container Instances were found in your cluster.")
    started: list[TaskRecord] = []
    failures: list[Shape] = []
    for provider in providers:
        outcome = await launch_one(ctx, launch, provider)
        if isinstance(outcome, list):
            failures = outcome
        else:
            started.append(outcome)
    if token is not None and started:
        await remember_response(ctx.tx, token, _without_token(given), {"tasks": [task.arn for task in started]})
    return {"tasks": await _views(ctx, started, with_tags=True), "failures": failures}


@operation("ecs:StopTask", resources=_named)
async def stop_task(ctx: Context, request: StopTaskRequestTypeDef) -> Shape:
    """Want a task stopped: its agent sends SIGTERM, and SIGKILL after the containers' stopTimeout."""
    reason = request.get("reason") or STOPPED_BY_USER
    if len(reason) > MAX_REASON:
        raise InvalidParameterException(f"reason cannot be longer than {MAX_REASON} characters.")
    cluster = await clusters.active_cluster(ctx, request.get("cluster"))
    task = await find(ctx, cluster, request["task"])
    if task is None:
        raise InvalidParameterException("The referenced task was not found.")
    state = request_stop(task.state, code=StopCode.USER_INITIATED, reason=reason, now=ctx.clock.now())
    stopping = await task_rows.save_state(ctx.tx, task, state)
    return {"task": (await _views(ctx, [stopping], with_tags=True))[0]}


@operation("ecs:DescribeTasks", resources=_named, reads=True)
async def describe_tasks(ctx: Context, request: DescribeTasksRequestTypeDef) -> Shape:
    """Tasks by id or ARN, stopped ones for an hour; unknown ones are failures."""
    cluster = await clusters.active_cluster(ctx, request.get("cluster"))
    references = request["tasks"]
    if not references:
        raise InvalidParameterException("Tasks cannot be empty.")
    if len(references) > 100:
        raise InvalidParameterException("Tasks cannot be more than 100 elements.")
    with_tags = "TAGS" in (request.get("include") or ())
    found: list[TaskRecord] = []
    failures: list[Shape] = []
    for reference in references:
        task = await find(ctx, cluster, reference)
        if task is None:
            arn = ctx.arn("ecs", f"task/{cluster.name}/{reference.rsplit('/', 1)[-1]}")
            failures.append({"arn": str(arn), "reason": "MISSING"})
        else:
            found.append(task)
    return {"tasks": await _views(ctx, found, with_tags=with_tags), "failures": failures}


@operation("ecs:ListTasks", resources=_listed, reads=True)
async def list_tasks(ctx: Context, request: ListTasksRequestTypeDef) -> Shape:
    """ARNs by id; tasks that shall run, unless `desiredStatus` says STOPPED."""
    refuse_unbuilt("ecs:ListTasks", request, daemonName="")
    cluster = await clusters.active_cluster(ctx, request.get("cluster"))
    if request.get("serviceName"):
        raise ServiceNotFoundException("Service not found.")
    query = select(table.c.id, table.c.arn).where(
        table.c.account == ctx.account,
        table.c.region == ctx.region,
        table.c.cluster == cluster.name,
        table.c.desired_status == (request.get("desiredStatus") or "RUNNING"),
    )
    for column, member in (("family", "family"), ("started_by", "startedBy"), ("launch_type", "launchType")):
        if request.get(member):
            query = query.where(table.c[column] == request.get(member))
    instance = request.get("containerInstance")
    if instance:
        row = await container_instances.find(ctx, cluster, instance)
        query = query.where(table.c.container_instance_arn == row.arn if row else false())
    found = await ecs_page(ctx, request, "ListTasks", query, [table.c.id])
    return listed("taskArns", [row.arn for row in found.rows], found.next_token)


async def find(ctx: Context, cluster: ClusterRecord, reference: str) -> TaskRecord | None:
    """The task by id or ARN; raises InvalidParameterException when its ARN names another cluster."""
    id = member_of(ctx, "task", reference, cluster.name)
    return await task_rows.by_id(ctx.tx, ctx.account, ctx.region, cluster.name, id)


def _token(ctx: Context, token: str | None) -> ClientToken | None:
    if token is None:
        return None
    if not 1 <= len(token) <= 64:
        raise InvalidParameterException("clientToken must have 1 to 64 characters.")
    return ClientToken(ctx.account, ctx.region, "ecs:RunTask", token)


async def _earlier(ctx: Context, token: ClientToken, request: Shape) -> list[TaskRecord] | None:
    stored = await stored_response(
        ctx.tx,
        token,
        _without_token(request),
        mismatch=lambda earlier: ConflictException(
            "The clientToken was used with other parameters before.", tasks=cast("list[str]", earlier["tasks"])
        ),
    )
    if stored is None:
        return None
    found = [await task_rows.by_arn(ctx.tx, arn) for arn in cast("list[str]", stored["tasks"])]
    return [task for task in found if task is not None]


def _without_token(request: Shape) -> Shape:
    return {name: value for name, value in request.items() if name != "clientToken"}


async def _views(ctx: Context, found: Sequence[TaskRecord], *, with_tags: bool) -> list[Shape]:
    tags = await tag_rows.read(ctx.tx, [task.arn for task in found]) if with_tags else {}
    definitions = {
        (task.family, task.revision): await definition_at(ctx.tx, task.account, task.region, task.family, task.revision)
        for task in {(task.family, task.revision): task for task in found}.values()
    }
    return [task_view(task, definitions[task.family, task.revision], tags.get(task.arn, [])) for task in found]
