"""CreateCluster, DescribeClusters, ListClusters, DeleteCluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import String, Table, bindparam, delete, func, insert, literal_column, select, union_all, update

from roadstead.access.resource import KeyValues, Named
from roadstead.core.lifecycle.states import TaskStatus
from roadstead.kernel.arn import Arn
from roadstead.services.ecs import tag_rows
from roadstead.services.ecs.errors import (
    ClusterContainsContainerInstancesException,
    ClusterContainsTasksException,
    ClusterNotFoundException,
    InvalidParameterException,
)
from roadstead.services.ecs.guarded import (
    authorise_tags,
    capacity_providers,
    guarded,
    guarded_each,
    named_cluster,
    request_tags,
)
from roadstead.services.ecs.identifiers import NAME, cluster_arn, cluster_name
from roadstead.services.ecs.paging import ecs_page, listed
from roadstead.services.ecs.records import ClusterRecord
from roadstead.services.ecs.tables import clusters, container_instances, tasks
from roadstead.services.ecs.views import PENDING_STATUSES, ClusterCounts, cluster_statistics, cluster_view
from roadstead.services.operation import Context, operation
from roadstead.services.unbuilt import not_built
from roadstead.store import Lookup, Transaction

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import (
        CreateClusterRequestTypeDef,
        DeleteClusterRequestTypeDef,
        DescribeClustersRequestTypeDef,
        ListClustersRequestTypeDef,
    )

Shape = dict[str, Any]
ACTIVE = "ACTIVE"
INACTIVE = "INACTIVE"
FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
_SPEC = ("settings", "configuration", "capacityProviders", "defaultCapacityProviderStrategy", "serviceConnectDefaults")
_INSIGHTS = ("enabled", "disabled", "enhanced")
_DEFAULT_SETTINGS = [{"name": "containerInsights", "value": "disabled"}]


def _in_cluster(table: Table, name: str):
    """Conditions on the account, the region and the column of the cluster's name."""
    return (
        table.c.account == bindparam("account"),
        table.c.region == bindparam("region"),
        table.c[name] == bindparam("name"),
    )


_COLUMNS = ClusterRecord.__slots__
_CLUSTER = Lookup(select(*(clusters.c[each] for each in _COLUMNS)).where(*_in_cluster(clusters, "name")))
_INSTANCES = "instances"
_COUNTS = Lookup(
    union_all(
        select(literal_column(f"'{_INSTANCES}'", String), func.count())
        .select_from(container_instances)
        .where(*_in_cluster(container_instances, "cluster"), container_instances.c.status != bindparam("inactive")),
        select(tasks.c.last_status, func.count()).where(*_in_cluster(tasks, "cluster")).group_by(tasks.c.last_status),
    )
)
"""How many instances a cluster has, and how many tasks of each status; in one statement, since the clients poll it."""
_BY_LAUNCH_TYPE = Lookup(
    select(tasks.c.launch_type, tasks.c.last_status, func.count())
    .where(*_in_cluster(tasks, "cluster"))
    .group_by(tasks.c.launch_type, tasks.c.last_status)
)
"""How many tasks of each launch type and status there are; asked for only where statistics are."""


def _new(ctx: Context, request: CreateClusterRequestTypeDef) -> Arn:
    return cluster_arn(ctx, request.get("clusterName") or "default")


async def _created(ctx: Context, request: CreateClusterRequestTypeDef) -> Sequence[Named]:
    return [guarded(ctx.tx, _new(ctx, request))]


async def _creation_keys(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    configuration: Shape = request.get("configuration") or {}
    storage: Shape = configuration.get("managedStorageConfiguration") or {}
    key: str | None = storage.get("fargateEphemeralStorageKmsKeyId")
    return {
        **await request_tags(ctx, request),
        **capacity_providers(ctx, request.get("capacityProviders") or ()),
        **({"ecs:fargate-ephemeral-storage-kms-key": key} if key else {}),
    }


async def _described(ctx: Context, request: DescribeClustersRequestTypeDef) -> Sequence[Named]:
    references = request.get("clusters") or ["default"]
    return guarded_each(ctx.tx, [cluster_arn(ctx, cluster_name(ctx, each) or "*") for each in references])


@operation("ecs:CreateCluster", resources=_created, keys=_creation_keys)
async def create_cluster(ctx: Context, request: CreateClusterRequestTypeDef) -> Shape:
    """Make a cluster, or return the active one of this name as it is."""
    if (request.get("configuration") or {}).get("managedStorageConfiguration"):
        raise not_built("ecs:CreateCluster", "configuration.managedStorageConfiguration")
    name = request.get("clusterName") or "default"
    if not NAME.fullmatch(name):
        raise InvalidParameterException("Cluster name contains invalid characters.")
    tags = tag_rows.checked(request.get("tags"))
    await authorise_tags(ctx, "CreateCluster", _new(ctx, request), request)
    known = await cluster_by_name(ctx.tx, ctx.account, ctx.region, name)
    if known is not None and known.status == ACTIVE:
        return {"cluster": await _view(ctx, known, include=("TAGS", "SETTINGS", "CONFIGURATIONS"))}
    spec: Shape = {member: value for member, value in request.items() if member in _SPEC and value}
    _check_settings(spec)
    _check_providers(spec)
    spec.setdefault("settings", _DEFAULT_SETTINGS)
    row = await create(ctx.tx, ctx.account, ctx.region, name, spec)
    await tag_rows.write(ctx, row.arn, tags)
    return {"cluster": await _view(ctx, row, include=("TAGS", "SETTINGS", "CONFIGURATIONS"))}


@operation("ecs:DescribeClusters", resources=_described, reads=True)
async def describe_clusters(ctx: Context, request: DescribeClustersRequestTypeDef) -> Shape:
    """Clusters by name or ARN, deleted ones included while they are remembered; unknown ones are failures."""
    found: list[Shape] = []
    failures: list[Shape] = []
    references = list(request.get("clusters") or ["default"])
    if len(references) > 100:
        raise InvalidParameterException("Clusters cannot be more than 100 elements.")
    for reference in references:
        name = cluster_name(ctx, reference)
        row = await cluster_by_name(ctx.tx, ctx.account, ctx.region, name) if name else None
        if row is None:
            arn = reference if reference.startswith("arn:") else str(cluster_arn(ctx, reference))
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            found.append(await _view(ctx, row, include=tuple(request.get("include") or ())))
    return {"clusters": found, "failures": failures}


@operation("ecs:ListClusters", reads=True)
async def list_clusters(ctx: Context, request: ListClustersRequestTypeDef) -> Shape:
    """ARNs of the active clusters, by name."""
    query = select(clusters.c.name).where(
        clusters.c.account == ctx.account, clusters.c.region == ctx.region, clusters.c.status == ACTIVE
    )
    found = await ecs_page(ctx, request, "ListClusters", query, [clusters.c.name])
    return listed("clusterArns", [str(cluster_arn(ctx, row.name)) for row in found.rows], found.next_token)


@operation("ecs:DeleteCluster", resources=named_cluster)
async def delete_cluster(ctx: Context, request: DeleteClusterRequestTypeDef) -> Shape:
    """Make an empty cluster INACTIVE."""
    row = await active_cluster(ctx, request["cluster"])
    counts = await _counts(ctx.tx, row)
    if counts.instances:
        raise ClusterContainsContainerInstancesException(
            "The Cluster cannot be deleted while Container Instances are active or draining."
        )
    if counts.running or counts.pending or counts.stopping:
        raise ClusterContainsTasksException("The Cluster cannot be deleted while Tasks are active.")
    await ctx.tx.execute(update(clusters).where(_is(row)).values(status=INACTIVE))
    return {"cluster": await _view(ctx, replace(row, status=INACTIVE), include=("TAGS", "SETTINGS", "CONFIGURATIONS"))}


async def cluster_by_name(tx: Transaction, account: str, region: str, name: str) -> ClusterRecord | None:
    """The cluster, active or not."""
    rows = await tx.look_up(_CLUSTER, account=account, region=region, name=name)
    return ClusterRecord(*cast("Sequence[Any]", rows[0])) if rows else None


async def active_cluster(ctx: Context, reference: str | None) -> ClusterRecord:
    """The caller's cluster by name or ARN (`default` when absent); raises ClusterNotFoundException."""
    name = cluster_name(ctx, reference)
    row = await cluster_by_name(ctx.tx, ctx.account, ctx.region, name) if name else None
    if row is None:
        raise ClusterNotFoundException
    if row.status != ACTIVE:
        raise ClusterNotFoundException("The referenced cluster was inactive.")
    return row


async def create(tx: Transaction, account: str, region: str, name: str, spec: Shape) -> ClusterRecord:
    """Insert an active cluster, in the place of a deleted one of this name if there was one."""
    row = ClusterRecord(account=account, region=region, name=name, status=ACTIVE, spec=spec, created_at=tx.clock.now())
    await tx.execute(delete(clusters).where(_is(row)))
    await tx.execute(insert(clusters).values({each: getattr(row, each) for each in ClusterRecord.__slots__}))
    return row


def _check_settings(spec: Shape) -> None:
    for setting in spec.get("settings") or ():
        if not setting.get("name"):
            raise InvalidParameterException("Invalid setting 'name'")
        if setting.get("value") not in _INSIGHTS:
            raise InvalidParameterException("Invalid setting 'value'")


def _check_providers(spec: Shape) -> None:
    named: list[str] = spec.get("capacityProviders") or []
    for name in named:
        if name not in FARGATE_PROVIDERS:
            raise InvalidParameterException(
                "The specified capacity provider does not exist. Specify a valid name or ARN and try again."
            )
    for item in spec.get("defaultCapacityProviderStrategy") or ():
        if item["capacityProvider"] not in named:
            raise InvalidParameterException(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the "
                "cluster. Associate the capacity provider with the cluster and try again."
            )


def _is(row: ClusterRecord):
    return (clusters.c.account == row.account) & (clusters.c.region == row.region) & (clusters.c.name == row.name)


async def _counts(tx: Transaction, row: ClusterRecord) -> ClusterCounts:
    found = await tx.look_up(_COUNTS, account=row.account, region=row.region, name=row.name, inactive=INACTIVE)
    instances = running = pending = stopping = 0
    for what, number in found:
        if what == _INSTANCES:
            instances = number
        elif what == TaskStatus.RUNNING:
            running = number
        elif what in PENDING_STATUSES:
            pending += number
        elif what != TaskStatus.STOPPED:
            stopping += number
    return ClusterCounts(instances, running, pending, stopping)


async def _tasks_by_launch_type(tx: Transaction, row: ClusterRecord) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for launch_type, status, number in await tx.look_up(
        _BY_LAUNCH_TYPE, account=row.account, region=row.region, name=row.name
    ):
        found.setdefault(launch_type, Counter())[status] += number
    return found


async def _view(ctx: Context, row: ClusterRecord, *, include: Sequence[str]) -> Shape:
    tags = (await tag_rows.read(ctx.tx, [row.arn])).get(row.arn, []) if "TAGS" in include else []
    view = cluster_view(row, await _counts(ctx.tx, row), tags, include)
    if "STATISTICS" in include:
        view["statistics"] = cluster_statistics(await _tasks_by_launch_type(ctx.tx, row))
    return view
