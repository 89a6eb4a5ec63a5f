"""RegisterContainerInstance, DeregisterContainerInstance, DescribeContainerInstances, ListContainerInstances."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import insert, select

from roadstead.access.resource import Named
from roadstead.core.lifecycle.states import StopCode, TaskStatus
from roadstead.core.lifecycle.stopping import INSTANCE_DEREGISTERED
from roadstead.core.lifecycle.task import abandon
from roadstead.core.placement.expressions import InvalidExpression, parse
from roadstead.kernel.ids import hex_id
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.services.ecs import clusters, instance_rows, tag_rows, task_rows
from roadstead.services.ecs.errors import ClientException, ClusterNotFoundException, InvalidParameterException
from roadstead.services.ecs.guarded import authorise_tags, guarded_each, members, named_cluster, request_tags
from roadstead.services.ecs.identifiers import cluster_name, member_of
from roadstead.services.ecs.launch import candidate
from roadstead.services.ecs.paging import ecs_page, listed
from roadstead.services.ecs.records import (
    FARGATE_CLUSTER,
    HOST_ATTRIBUTE,
    RUNTIME_ATTRIBUTE,
    ClusterRecord,
    InstanceRecord,
    Ports,
    instance_of,
)
from roadstead.services.ecs.tables import container_instances as table
from roadstead.services.ecs.tables import tasks
from roadstead.services.ecs.views import instance_view
from roadstead.services.operation import Context, operation
from roadstead.services.unbuilt import not_built
from roadstead.store.idempotency import ClientToken, remember_response, stored_response

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import (
        DeregisterContainerInstanceRequestTypeDef,
        DescribeContainerInstancesRequestTypeDef,
        ListContainerInstancesRequestTypeDef,
        RegisterContainerInstanceRequestTypeDef,
    )

Shape = dict[str, Any]
ZONE = "ecs.availability-zone"
_PORT = re.compile(r"[0-9]{1,5}")
_INSTANCE_ID = re.compile(r'"instanceId"\s*:\s*"(m?i-[0-9a-f]{8,32})"')


async def _instances(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    arns = members(ctx, "container-instance", request, request.get("containerInstances") or [None])
    return guarded_each(ctx.tx, arns)


@operation("ecs:RegisterContainerInstance", resources=named_cluster, keys=request_tags)
async def register_container_instance(ctx: Context, request: RegisterContainerInstanceRequestTypeDef) -> Shape:
    """Announce an instance's agent, or announce it again (`containerInstanceArn`, or the same `clientToken`).

    Every attribute is echoed, with the zone; an instance of the Fargate pool is told its runtime by `roadstead.fargate-runtime`.
    """
    cluster = await _cluster_to_join(ctx, request.get("cluster"))
    given = cast("Shape", request)
    anyone = ctx.arn("ecs", f"container-instance/{cluster.name}/*")
    await authorise_tags(ctx, "RegisterContainerInstance", anyone, given)
    known = await _known(ctx, cluster, request.get("containerInstanceArn"), given.get("clientToken"))
    row = _announced(ctx, cluster, given, known)
    if known is None:
        await ctx.tx.execute(insert(table).values({name: getattr(row, name) for name in InstanceRecord.__slots__}))
        await tag_rows.write(ctx, row.arn, tag_rows.checked(request.get("tags")))
        if given.get("clientToken"):
            token = _token(ctx, cluster, given["clientToken"])
            await remember_response(ctx.tx, token, cluster.name, {"arn": row.arn})
    else:
        await instance_rows.save(ctx.tx, row)
    instance_rows.announce(ctx.tx, row)
    return {"containerInstance": await _view(ctx, row, with_tags=True)}


@operation("ecs:DeregisterContainerInstance", resources=named_cluster)
async def deregister_container_instance(ctx: Context, request: DeregisterContainerInstanceRequestTypeDef) -> Shape:
    """Take an instance out of its cluster; with `force` its tasks are given up."""
    cluster = await clusters.active_cluster(ctx, request.get("cluster"))
    row = await find(ctx, cluster, request["containerInstance"])
    if row is None or row.status == instance_rows.INACTIVE:
        raise InvalidParameterException("Referenced container instance not found.")
    left = await task_rows.select_tasks(
        ctx.tx, tasks.c.container_instance_arn == row.arn, tasks.c.last_status != TaskStatus.STOPPED
    )
    if left and not request.get("force"):
        raise InvalidParameterException("Found running tasks on the instance.")
    for task in left:
        state = abandon(task.state, code=StopCode.USER_INITIATED, reason=INSTANCE_DEREGISTERED, now=ctx.clock.now())
        await task_rows.save_state(ctx.tx, task, state)
    current = await instance_rows.by_arn(ctx.tx, row.arn) or row
    gone = replace(
        current,
        status=instance_rows.INACTIVE,
        agent_connected=False,
        agent_server=None,
        agent_seen_at=ctx.clock.now(),
        version=current.version + 1,
    )
    await instance_rows.save(ctx.tx, gone)
    instance_rows.announce(ctx.tx, gone)
    return {"containerInstance": await _view(ctx, gone, with_tags=True)}


@operation("ecs:DescribeContainerInstances", resources=_instances, reads=True)
async def describe_container_instances(ctx: Context, request: DescribeContainerInstancesRequestTypeDef) -> Shape:
    """Instances by id or ARN; unknown ones are failures."""
    include = request.get("include") or ()
    if "CONTAINER_INSTANCE_HEALTH" in include:
        raise not_built("ecs:DescribeContainerInstances", "include CONTAINER_INSTANCE_HEALTH")
    cluster = await clusters.active_cluster(ctx, request.get("cluster"))
    references = request["containerInstances"]
    if not references:
        raise InvalidParameterException("Container Instances cannot be empty.")
    if len(references) > 100:
        raise InvalidParameterException("Container Instances cannot be more than 100 elements.")
    found: list[Shape] = []
    failures: list[Shape] = []
    for reference in references:
        row = await find(ctx, cluster, reference)
        if row is None:
            arn = ctx.arn("ecs", f"container-instance/{cluster.name}/{reference.rsplit('/', 1)[-1]}")
            failures.append({"arn": str(arn), "reason": "MISSING"})
        else:
            found.append(await _view(ctx, row, with_tags="TAGS" in include))
    return {"containerInstances": found, "failures": failures}


@operation("ecs:ListContainerInstances", resources=named_cluster, reads=True)
async def list_container_instances(ctx: Context, request: ListContainerInstancesRequestTypeDef) -> Shape:
    """ARNs by id; `filter` is an expression of the cluster query language. A page may hold fewer than asked for after filtering."""
    cluster = await clusters.active_cluster(ctx, request.get("cluster"))
    query = select(table).where(
        table.c.account == ctx.account, table.c.region == ctx.region, table.c.cluster == cluster.name
    )
    status = request.get("status")
    query = query.where(table.c.status == status if status else table.c.status != instance_rows.INACTIVE)
    try:
        test = parse(request["filter"]) if request.get("filter") else None  # pyright: ignore[reportTypedDictNotRequiredAccess]
    except InvalidExpression as error:
        raise InvalidParameterException("Invalid filter expression.") from error
    found = await ecs_page(ctx, request, "ListContainerInstances", query, [table.c.id])
    rows = [instance_of(row._mapping) for row in found.rows]  # pyright: ignore[reportPrivateUsage] - public in spite of its name
    arns = [row.arn for row in rows if test is None or test(candidate(row, {}))]
    return listed("containerInstanceArns", arns, found.next_token)


async def find(ctx: Context, cluster: ClusterRecord, reference: str) -> InstanceRecord | None:
    """The instance by id or ARN; raises InvalidParameterException when its ARN names another cluster."""
    id = member_of(ctx, "container-instance", reference, cluster.name)
    return await instance_rows.by_id(ctx.tx, ctx.account, ctx.region, cluster.name, id)


async def _cluster_to_join(ctx: Context, reference: str | None) -> ClusterRecord:
    try:
        return await clusters.active_cluster(ctx, reference)
    except ClusterNotFoundException as error:
        if ctx.account == INTERNAL_ACCOUNT and cluster_name(ctx, reference) == FARGATE_CLUSTER:
            return await clusters.create(ctx.tx, ctx.account, ctx.region, FARGATE_CLUSTER, {"settings": []})
        # Agents make the default cluster themselves when they see exactly this.
        raise ClientException(error.message) from error


async def _known(
    ctx: Context, cluster: ClusterRecord, arn: str | None, client_token: str | None
) -> InstanceRecord | None:
    if arn:
        row = await find(ctx, cluster, arn)
        if row is None or row.status == instance_rows.INACTIVE:
            raise InvalidParameterException("Referenced container instance not found.")
        return row
    if client_token:
        token = _token(ctx, cluster, client_token)
        stored = await stored_response(
            ctx.tx,
            token,
            cluster.name,
            mismatch=lambda _: ClientException("Client token was used for another cluster."),
        )
        row = await instance_rows.by_arn(ctx.tx, str(stored["arn"])) if stored else None
        return row if row is not None and row.status != instance_rows.INACTIVE else None
    return None


def _token(ctx: Context, cluster: ClusterRecord, token: str) -> ClientToken:
    digest = sha256(f"{cluster.name}/{token}".encode()).hexdigest()  # both together may be longer than a token's column
    return ClientToken(ctx.account, ctx.region, "ecs:RegisterContainerInstance", digest)


def _announced(ctx: Context, cluster: ClusterRecord, request: Shape, known: InstanceRecord | None) -> InstanceRecord:
    now, id = ctx.clock.now(), hex_id()
    numbers, ports = _resources(request.get("totalResources") or ())
    cpu, memory = numbers.get("CPU", 0), numbers.get("MEMORY", 0)
    attributes = _attributes(ctx, cluster, request.get("attributes") or ())
    values = {each["name"]: each.get("value") for each in attributes}
    document = _INSTANCE_ID.search(request.get("instanceIdentityDocument") or "")
    fresh = InstanceRecord(
        account=ctx.account,
        region=ctx.region,
        cluster=cluster.name,
        id=id,
        arn=str(ctx.arn("ecs", f"container-instance/{cluster.name}/{id}")),
        status=instance_rows.ACTIVE,
        ec2_instance_id=document[1] if document else None,
        # What any other account says of our hosts is not to be believed.
        host=values.get(HOST_ATTRIBUTE) if ctx.account == INTERNAL_ACCOUNT else None,
        availability_zone=values[ZONE] or "",
        cpu_total=cpu,
        cpu_free=cpu,
        memory_total=memory,
        memory_free=memory,
        ports=ports,
        ports_used=Ports(),
        attributes=attributes,
        version_info=request.get("versionInfo") or {},
        version=1,
        agent_connected=False,
        agent_server=None,
        agent_seen_at=now,
        next_seq=0,
        registered_at=now,
    )
    if known is None:
        return fresh
    return replace(
        known,
        host=fresh.host,
        availability_zone=fresh.availability_zone,
        cpu_total=cpu,
        cpu_free=known.cpu_free + cpu - known.cpu_total,
        memory_total=memory,
        memory_free=known.memory_free + memory - known.memory_total,
        ports=ports,
        attributes=attributes,
        version_info=fresh.version_info,
        version=known.version + 1,
    )


def _resources(given: Iterable[Shape]) -> tuple[dict[str, int], Ports]:
    numbers: dict[str, int] = {}
    sets: dict[str, tuple[int, ...]] = {}
    for resource in given:
        if resource.get("type") == "INTEGER":
            numbers[resource.get("name") or ""] = int(resource.get("integerValue") or 0)
        elif resource.get("type") == "STRINGSET":
            sets[resource.get("name") or ""] = tuple(
                int(each) for each in resource.get("stringSetValue") or () if _PORT.fullmatch(each)
            )
    return numbers, Ports(tcp=sets.get("PORTS", ()), udp=sets.get("PORTS_UDP", ()))


def _attributes(ctx: Context, cluster: ClusterRecord, given: Iterable[Shape]) -> list[Shape]:
    by_name = {each["name"]: each for each in given}
    by_name.setdefault(ZONE, {"name": ZONE, "value": f"{ctx.region}a"})
    if (ctx.account, cluster.name) == (INTERNAL_ACCOUNT, FARGATE_CLUSTER):
        by_name[RUNTIME_ATTRIBUTE] = {"name": RUNTIME_ATTRIBUTE, "value": ctx.deployment.fargate_runtime}
    return list(by_name.values())


async def _view(ctx: Context, row: InstanceRecord, *, with_tags: bool) -> Shape:
    running, pending = (await instance_rows.task_counts(ctx.tx, [row.arn])).get(row.arn, (0, 0))
    tags = (await tag_rows.read(ctx.tx, [row.arn])).get(row.arn, []) if with_tags else []
    return instance_view(row, running, pending, tags)
